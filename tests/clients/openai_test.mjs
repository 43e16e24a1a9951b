// openai (Node)
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { citySchema, embedModel, makeKey, model, paris, rain, record, records, sameAsRecord, story, tool, waitForRecord,
  width } from "./support.mjs";

const client = new OpenAI();
const chat = (more = {}, options) =>
  client.chat.completions.create({ model, messages: paris, temperature: 0, max_tokens: 16, ...more }, options);

test("lists models", async () => {
  const ids = [];
  for await (const item of client.models.list()) ids.push(item.id);
  assert.ok(ids.includes(model) && ids.includes(embedModel));
  assert.equal((await client.models.retrieve(model)).id, model);
});

test("an answer equals its record, a stream says the same", async () => {
  const { data, request_id } = await chat().withResponse();
  const text = data.choices[0].message.content;
  assert.match(text, /Paris/);
  await sameAsRecord(request_id, data.usage, data.usage.completion_tokens);
  let streamed = "", usage;
  for await (const chunk of await chat({ stream: true, stream_options: { include_usage: true } })) {
    streamed += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(streamed, text);
  assert.equal(usage.completion_tokens, data.usage.completion_tokens);
});

test("stop, length, seed and logprobs", async () => {
  assert.doesNotMatch((await chat({ stop: ["Paris"] })).choices[0].message.content, /Paris/);
  assert.equal((await chat({ max_tokens: 2 })).choices[0].finish_reason, "length");
  const told = [];
  for (const seed of [1, 1, 2]) told.push((await chat({ messages: story, temperature: 1.5, seed })).choices[0].message.content);
  assert.equal(told[0], told[1]);
  assert.notEqual(told[1], told[2]);
  const { content } = (await chat({ max_tokens: 3, logprobs: true, top_logprobs: 2 })).choices[0].logprobs;
  assert.deepEqual(content.map((token) => token.top_logprobs.length), [2, 2, 2]);
});

test("tools that must be called are, in a stream too", async () => {
  for (const choice of ["required", { type: "function", function: { name: "get_weather" } }]) {
    const call = (await chat({ messages: rain, tools: [tool], tool_choice: choice, max_tokens: 64 })).choices[0].message.tool_calls[0];
    assert.equal(call.function.name, "get_weather");
    assert.ok("city" in JSON.parse(call.function.arguments));
  }
  const final = await client.chat.completions.stream({ model, messages: rain, tools: [tool], tool_choice: "required",
    temperature: 0, max_tokens: 64 }).finalChatCompletion();
  assert.ok("city" in JSON.parse(final.choices[0].message.tool_calls[0].function.arguments));
  const { message } = (await chat({ tools: [tool] })).choices[0];
  assert.ok(message.content || message.tool_calls.length);
});

test("structured output", async () => {
  const answer = await client.chat.completions.parse({ model, messages: paris, temperature: 0, max_tokens: 64,
    response_format: { type: "json_schema", json_schema: { name: "city", schema: citySchema, strict: true } } });
  assert.deepEqual(Object.keys(JSON.parse(answer.choices[0].message.content)), ["city"]);
});

test("completions", async () => {
  const ask = { model, prompt: "The capital of France is", temperature: 0, max_tokens: 4 };
  const { text } = (await client.completions.create(ask)).choices[0];
  let streamed = "";
  for await (const chunk of await client.completions.create({ ...ask, stream: true })) streamed += chunk.choices[0]?.text ?? "";
  assert.ok(text);
  assert.equal(streamed, text);
});

test("responses, whole and streamed", async () => {
  const ask = { model, input: "Name the capital of France.", temperature: 0, max_output_tokens: 16 };
  const { data, request_id } = await client.responses.create(ask).withResponse();
  assert.match(data.output_text, /Paris/);
  await sameAsRecord(request_id, data.usage, data.usage.output_tokens);
  const events = [];
  for await (const event of await client.responses.create({ ...ask, stream: true })) events.push(event);
  assert.deepEqual([events[0].type, events.at(-1).type], ["response.created", "response.completed"]);
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), data.output_text);
});

test("embeddings: base64 by default, floats when asked, the same values", async () => {
  const packed = await client.embeddings.create({ model: embedModel, input: "a mill" });
  const floats = await client.embeddings.create({ model: embedModel, input: "a mill", encoding_format: "float" });
  assert.equal(packed.data[0].embedding.length, width);
  assert.equal(floats.data[0].embedding.length, width);
  packed.data[0].embedding.forEach((value, i) => assert.ok(Math.abs(value - floats.data[0].embedding[i]) < 1e-6));
});

test("errors have their own classes", async () => {
  const rejects = (promise, kind, more) =>
    assert.rejects(promise, (error) => error instanceof kind && Object.entries(more).every(([name, value]) => error[name] === value));
  await rejects(new OpenAI({ apiKey: "mr_wrong" }).models.list(), OpenAI.AuthenticationError, { code: "invalid_api_key" });
  const viewer = new OpenAI({ apiKey: makeKey("--role", "viewer") });
  await rejects(viewer.chat.completions.create({ model, messages: paris }), OpenAI.PermissionDeniedError, { status: 403 });
  await rejects(chat({ model: "no-such" }), OpenAI.NotFoundError, { param: "model" });
  await rejects(chat({ frobnicate: 1 }), OpenAI.BadRequestError, { code: "unknown_parameter", param: "frobnicate" });
  await rejects(chat({ messages: [] }), OpenAI.BadRequestError, { param: "messages" });
  await rejects(chat({ max_tokens: 0 }), OpenAI.BadRequestError, { param: "max_tokens" });
  await rejects(chat({ messages: [{ role: "user", content: "mill ".repeat(9000) }] }), OpenAI.BadRequestError,
    { code: "context_length_exceeded" });
});

test("a rate limit is waited out as long as the server says", async () => {
  const seen = [];
  const limited = new OpenAI({ apiKey: makeKey("--requests-per-minute", "20"), maxRetries: 0, fetch: async (...args) => {
    const answer = await fetch(...args);
    seen.push({ status: answer.status, wait: Number(answer.headers.get("retry-after-ms")), at: performance.now() });
    return answer;
  } });
  const ask = (options) => limited.chat.completions.create({ model, messages: paris, max_tokens: 1 }, options);
  await assert.rejects((async () => { for (let i = 0; i < 40; ++i) await ask(); })(), OpenAI.RateLimitError);
  seen.length = 0;
  assert.ok((await ask({ maxRetries: 1 })).choices);
  assert.deepEqual(seen.map((answer) => answer.status), [429, 200]);
  assert.ok(seen[0].wait > 0 && seen[1].at - seen[0].at >= seen[0].wait - 1);
});

test("aborting a stream, and giving up before the answer, is recorded", async () => {
  const { data: stream, request_id } = await chat({ messages: story, max_tokens: 800, stream: true }).withResponse();
  for await (const _ of stream) break; // leaving the loop aborts the request
  const left = await record(request_id);
  assert.equal(left.status, "cancelled");
  assert.ok(left.output_tokens < 800);
  const known = new Set(records().map((one) => one.request_id));
  await assert.rejects(chat({ messages: story, max_tokens: 800 }, { timeout: 400, maxRetries: 0 }), OpenAI.APIConnectionTimeoutError);
  assert.equal((await waitForRecord((one) => !known.has(one.request_id))).status, "cancelled");
});
