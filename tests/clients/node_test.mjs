// openai, @mistralai/mistralai and @anthropic-ai/sdk (Node)
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { Mistral } from "@mistralai/mistralai";
import OpenAI from "openai";

const { MILLRACE_MODEL: model, MILLRACE_EMBED_MODEL: embedModel, MILLRACE_URL: url, OPENAI_API_KEY: apiKey } = process.env;
const messages = [{ role: "user", content: "Name the capital of France." }];
const openai = new OpenAI();
const anthropic = new Anthropic();
const mistral = new Mistral({ apiKey, serverURL: url });
const millrace = (...args) => JSON.parse(execFileSync(process.env.MILLRACE_PROGRAM, [...args, "--json"], { encoding: "utf8" }));
const tool = { type: "function", function: { name: "get_weather", parameters: {
  type: "object", properties: { city: { type: "string" } }, required: ["city"] } } };

test("openai lists models", async () => {
  const ids = [];
  for await (const item of openai.models.list()) ids.push(item.id);
  assert.ok(ids.includes(model));
});

test("openai chats, streams and calls a tool", async () => {
  const answer = await openai.chat.completions.create({ model, messages, temperature: 0, max_tokens: 16 });
  assert.match(answer.choices[0].message.content, /Paris/);
  let text = "", usage;
  for await (const chunk of await openai.chat.completions.create({ model, messages, temperature: 0, max_tokens: 16,
    stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.match(text, /Paris/);
  assert.ok(usage.completion_tokens > 0);
  const called = await openai.chat.completions.create({ model, messages, tools: [tool], tool_choice: "required",
    temperature: 0, max_tokens: 64 });
  assert.ok("city" in JSON.parse(called.choices[0].message.tool_calls[0].function.arguments));
});

test("openai embeds: base64 by default, floats when asked", async () => {
  const packed = await openai.embeddings.create({ model: embedModel, input: "a mill" });
  const floats = await openai.embeddings.create({ model: embedModel, input: "a mill", encoding_format: "float" });
  assert.equal(packed.data[0].embedding.length, 576);
  packed.data[0].embedding.forEach((value, i) => assert.ok(Math.abs(value - floats.data[0].embedding[i]) < 1e-5));
});

test("openai answers responses, whole and streamed", async () => {
  const answer = await openai.responses.create({ model, input: "Name the capital of France.", temperature: 0, max_output_tokens: 16 });
  assert.match(answer.output_text, /Paris/);
  const types = [];
  for await (const event of await openai.responses.create({ model, input: "Hi", max_output_tokens: 8, stream: true })) types.push(event.type);
  assert.equal(types[0], "response.created");
  assert.equal(types.at(-1), types.includes("response.completed") ? "response.completed" : "response.incomplete");
});

test("openai tells errors apart", async () => {
  await assert.rejects(new OpenAI({ apiKey: "mr_wrong" }).models.list(), OpenAI.AuthenticationError);
  await assert.rejects(openai.chat.completions.create({ model: "no-such", messages }), OpenAI.NotFoundError);
  await assert.rejects(openai.chat.completions.create({ model, messages, frobnicate: 1 }),
    (error) => error instanceof OpenAI.BadRequestError && error.param === "frobnicate");
  const { key } = millrace("key", "create", "--project", "default", "--concurrency", "0");
  await assert.rejects(new OpenAI({ apiKey: key, maxRetries: 0 }).chat.completions.create({ model, messages }), OpenAI.RateLimitError);
});

test("openai aborts a stream, and the ledger says so", async () => {
  const stream = await openai.chat.completions.create({ model, messages: [{ role: "user", content: "Tell a long story." }],
    max_tokens: 400, stream: true }).withResponse();
  for await (const _ of stream.data) { stream.data.controller.abort(); break; }
  for (let i = 0; ; ++i) {
    const lines = execFileSync(process.env.MILLRACE_PROGRAM, ["usage", "records", "--json"], { encoding: "utf8" }).trim().split("\n");
    const record = lines.map((line) => JSON.parse(line)).find((r) => r.request_id === stream.request_id);
    if (record) { assert.equal(record.status, "cancelled"); break; }
    assert.ok(i < 50, "no record");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});

test("mistral lists, chats, streams and embeds", async () => {
  assert.ok((await mistral.models.list()).data.some((item) => item.id === model));
  const answer = await mistral.chat.complete({ model, messages, temperature: 0, maxTokens: 16 });
  assert.match(answer.choices[0].message.content, /Paris/);
  let text = "";
  for await (const event of await mistral.chat.stream({ model, messages, temperature: 0, maxTokens: 16 })) {
    text += event.data.choices[0]?.delta.content ?? "";
  }
  assert.match(text, /Paris/);
  assert.equal((await mistral.embeddings.create({ model: embedModel, inputs: ["a mill"] })).data[0].embedding.length, 576);
});

test("anthropic lists in pages, answers and streams", async () => {
  const ids = [];
  for await (const item of anthropic.models.list({ limit: 1 })) ids.push(item.id);
  assert.ok(ids.includes(model) && ids.includes(embedModel));
  const answer = await anthropic.messages.create({ model, messages, max_tokens: 16, temperature: 0 });
  assert.equal(answer.content[0].type, "text");
  const final = await anthropic.messages.stream({ model, messages, max_tokens: 16, temperature: 0 }).finalMessage();
  assert.ok(final.usage.output_tokens > 0);
  await assert.rejects(new Anthropic({ apiKey: "mr_wrong", maxRetries: 0 }).messages.create({ model, messages, max_tokens: 4 }),
    Anthropic.AuthenticationError);
});
