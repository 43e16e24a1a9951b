// What an adapter adds to a small request: writing the engine's body, reading its answer.
#include <benchmark/benchmark.h>

#include "engine/llama/llama_adapter.h"
#include "engine/openai/openai_adapter.h"

namespace millrace::engine {
namespace {

class CountingSink final : public Sink {
 public:
  void on_progress(const Usage&, std::int64_t) override {}
  void on_text(int, std::string_view text) override { bytes += text.size(); }
  void on_reasoning(int, std::string_view) override {}
  void on_tool_call(int, int, std::string_view, std::string_view, std::string_view) override {}
  void on_logprobs(int, std::string_view) override {}
  void on_finish(int, FinishReason) override {}
  void on_embedding(int, std::vector<float>) override {}
  void on_usage(const Usage&) override {}

  std::size_t bytes = 0;
};

Request small_chat() {
  Request request;
  request.messages.push_back({.content = {{ContentPart::Kind::kText, "What is the capital of France?"}}});
  request.sampling.max_tokens = 16;
  return request;
}

constexpr std::string_view kAnswer =
    R"({"id":"chatcmpl-123","object":"chat.completion","created":1700000000,"model":"mock","choices":[{"index":0,)"
    R"("message":{"role":"assistant","content":"The capital of France is Paris."},"finish_reason":"stop"}],)"
    R"("usage":{"prompt_tokens":14,"completion_tokens":8,"total_tokens":22}})";

constexpr std::string_view kEvent =
    R"(data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" la"}}],"created":1795391494,)"
    R"("id":"chatcmpl-RugSGjEqPxTb3rexSVvVa8gIbRhupPIo","model":"m","object":"chat.completion.chunk",)"
    R"("timings":{"cache_n":0,"prompt_n":37,"prompt_ms":402.504,"predicted_n":7,"predicted_ms":101.041}})"
    "\n\n";

void openai_render(benchmark::State& state) {
  const auto adapter = make_openai_adapter();
  const Request request = small_chat();
  const Target target{.model = "mock", .path_prefix = "/v1"};
  for (auto _ : state) benchmark::DoNotOptimize(adapter->render(request, target));
}
BENCHMARK(openai_render);

void openai_read_whole(benchmark::State& state) {
  const auto adapter = make_openai_adapter();
  const Request request = small_chat();
  CountingSink sink;
  for (auto _ : state) {
    const auto reader = adapter->reader(request, {});
    reader->head(200, "application/json");
    benchmark::DoNotOptimize(reader->feed(kAnswer, sink));
    benchmark::DoNotOptimize(reader->end(sink));
  }
}
BENCHMARK(openai_read_whole);

void llama_read_event(benchmark::State& state) {
  const auto adapter = make_llama_adapter();
  const auto reader = adapter->reader(small_chat(), {});
  reader->head(200, "text/event-stream");
  CountingSink sink;
  for (auto _ : state) benchmark::DoNotOptimize(reader->feed(kEvent, sink));
}
BENCHMARK(llama_read_event);

}  // namespace
}  // namespace millrace::engine

BENCHMARK_MAIN();
