// @mistralai/mistralai (Node)
import assert from "node:assert/strict";
import { test } from "node:test";
import { Mistral } from "@mistralai/mistralai";
import { apiKey, citySchema, embedModel, makeKey, model, paris, rain, tool, url, width } from "./support.mjs";

const client = new Mistral({ apiKey, serverURL: url });
const ask = { model, messages: paris, temperature: 0, maxTokens: 16 };

test("lists models", async () => {
  const { data } = await client.models.list();
  assert.ok(data.some((item) => item.id === model) && data.some((item) => item.id === embedModel));
});

test("chats, and streams the same", async () => {
  const text = (await client.chat.complete(ask)).choices[0].message.content;
  assert.match(text, /Paris/);
  let streamed = "";
  for await (const event of await client.chat.stream(ask)) streamed += event.data.choices[0]?.delta.content ?? "";
  assert.equal(streamed, text);
});

test("any tool is a required one; JSON by schema", async () => {
  const answer = await client.chat.complete({ ...ask, messages: rain, tools: [tool], toolChoice: "any", maxTokens: 64 });
  assert.equal(answer.choices[0].message.toolCalls[0].function.name, "get_weather");
  const shaped = await client.chat.complete({ ...ask, maxTokens: 64,
    responseFormat: { type: "json_schema", jsonSchema: { name: "city", schemaDefinition: citySchema, strict: true } } });
  assert.deepEqual(Object.keys(JSON.parse(shaped.choices[0].message.content)), ["city"]);
});

test("embeds", async () => {
  const { data } = await client.embeddings.create({ model: embedModel, inputs: ["a mill", "a river"] });
  assert.deepEqual(data.map((item) => item.embedding.length), [width, width]);
});

test("errors keep their status", async () => {
  const status = (code) => (error) => error.statusCode === code;
  const other = (key) => new Mistral({ apiKey: key, serverURL: url });
  await assert.rejects(other("mr_wrong").models.list(), status(401));
  await assert.rejects(other(makeKey("--role", "viewer")).chat.complete(ask), status(403));
  await assert.rejects(other(makeKey("--concurrency", "0")).chat.complete(ask, { retries: { strategy: "none" } }), status(429));
  await assert.rejects(client.chat.complete({ ...ask, model: "no-such" }), status(404));
  await assert.rejects(client.chat.complete({ ...ask, messages: [] }), status(400));
});
