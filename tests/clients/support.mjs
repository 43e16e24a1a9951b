// What the tests of all Node clients need.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import process from "node:process";

export const { MILLRACE_MODEL: model, MILLRACE_EMBED_MODEL: embedModel, MILLRACE_URL: url, OPENAI_API_KEY: apiKey } = process.env;
export const paris = [{ role: "user", content: "Name the capital of France." }];
export const rain = [{ role: "user", content: "What is the weather in Paris?" }];
export const story = [{ role: "user", content: "Tell a very long story about a watermill." }];
export const citySchema = { type: "object", properties: { city: { type: "string" } }, required: ["city"],
  additionalProperties: false };
export const tool = { type: "function", function: { name: "get_weather", parameters: citySchema } };
export const width = 576;

const cli = (...args) =>
  execFileSync(process.env.MILLRACE_PROGRAM, [...args, "--json", "--home", process.env.MILLRACE_TEST_HOME], { encoding: "utf8" });

export const makeKey = (...options) => JSON.parse(cli("key", "create", "--project", "default", ...options)).key;

export const records = () => cli("usage", "records").trim().split("\n").map((line) => JSON.parse(line));

/** Waits until `find` has found something in the usage records. */
export async function waitForRecord(find) {
  for (let i = 0; i < 50; ++i) {
    const found = records().find(find);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("no such record");
}

/** The usage record of a request, once the ledger has it. */
export async function record(requestId) {
  assert.match(requestId, /^req_/);
  return waitForRecord((one) => one.request_id === requestId);
}

/** Holds the figures of a usage object against the record. */
export async function sameAsRecord(requestId, usage, output) {
  const found = await record(requestId);
  assert.equal(found.status, "completed");
  assert.equal(found.output_tokens, output);
  assert.equal(found.energy_j, usage.millrace.energy_j);
  assert.equal(found.co2e_g, usage.millrace.co2e_g);
  assert.equal(found.cost_microeur, Math.round(usage.millrace.cost_eur * 1e6));
}
