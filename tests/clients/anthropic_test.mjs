// @anthropic-ai/sdk (Node)
import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { citySchema, embedModel, makeKey, model, paris, rain, record, sameAsRecord, story } from "./support.mjs";

const client = new Anthropic();
const ask = { model, messages: paris, max_tokens: 16, temperature: 0 };
const weather = { name: "get_weather", description: "Weather of a city", input_schema: citySchema };

test("lists models in pages", async () => {
  const ids = [];
  for await (const item of client.models.list({ limit: 1 })) ids.push(item.id);
  assert.ok(ids.includes(model) && ids.includes(embedModel));
  assert.equal((await client.models.retrieve(model)).id, model);
});

test("an answer equals its record, a stream says the same", async () => {
  const { data, response } = await client.messages.create(ask).withResponse();
  assert.equal(data.content[0].type, "text");
  await sameAsRecord(response.headers.get("x-request-id"), data.usage, data.usage.output_tokens);
  const final = await client.messages.stream(ask).finalMessage();
  assert.equal(final.content[0].text, data.content[0].text);
  assert.equal(final.usage.output_tokens, data.usage.output_tokens);
});

test("a tool that must be used is, in a stream too", async () => {
  const wanted = { ...ask, messages: rain, max_tokens: 64, tools: [weather], tool_choice: { type: "tool", name: "get_weather" } };
  for (const answer of [await client.messages.create(wanted), await client.messages.stream(wanted).finalMessage()]) {
    assert.equal(answer.stop_reason, "tool_use");
    assert.equal(typeof answer.content.find((block) => block.type === "tool_use").input.city, "string");
  }
});

test("errors have their own classes", async () => {
  const other = (key) => new Anthropic({ apiKey: key, maxRetries: 0 });
  await assert.rejects(other("mr_wrong").messages.create(ask), Anthropic.AuthenticationError);
  await assert.rejects(other(makeKey("--role", "viewer")).messages.create(ask), Anthropic.PermissionDeniedError);
  await assert.rejects(other(makeKey("--concurrency", "0")).messages.create(ask), Anthropic.RateLimitError);
  await assert.rejects(client.messages.create({ ...ask, model: "no-such" }), Anthropic.NotFoundError);
  await assert.rejects(client.messages.create({ ...ask, messages: [] }), Anthropic.BadRequestError);
});

test("leaving a stream is recorded", async () => {
  const { data: stream, response } = await client.messages.create({ ...ask, messages: story, max_tokens: 800, stream: true })
    .withResponse();
  for await (const _ of stream) break; // leaving the loop aborts the request
  assert.equal((await record(response.headers.get("x-request-id"))).status, "cancelled");
});
