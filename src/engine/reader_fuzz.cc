// Any bytes as an engine's answer: no crash, the same outcome wherever they are cut, and the sink's rules hold.
#include <cstdlib>

#include "engine/llama/llama_adapter.h"
#include "engine/openai/openai_adapter.h"
#include "engine/sink_test_util.h"
#include "host/utf8.h"

namespace millrace::engine {
namespace {

/// The first byte chooses task, form and adapter.
Request request_of(unsigned char choice) {
  Request request;
  request.task = static_cast<Task>(choice % 3);
  request.inputs = {"a", "b"};
  request.prompts = {"p", "q"};
  request.messages.push_back({.content = {{ContentPart::Kind::kText, "m"}}});
  request.echo = request.task == Task::kText && (choice & 0x20) != 0;
  request.sampling.logprobs = (choice & 0x10) != 0;
  request.sampling.top_logprobs = 2;
  request.sampling.choices = 2;
  request.stream = true;
  if ((choice & 0x38) == 0x30) {  // one choice, without tools
    request.sampling.choices = 1;
    request.prompts = {"p"};
    request.tell_stop = true;
    request.sampling.stop = {"ab", "b\xc3\xa9"};
  }
  if ((choice & 0x20) != 0) {
    request.tools = {{"f", "", "", false}, {"g", "", "", false}};
    request.tool_choice.kind = ToolChoice::Kind::kRequired;
  }
  return request;
}

struct Outcome {
  KeepingSink sink;
  bool whole = false;
  bool error = false;
};

Outcome run(const Adapter& adapter, unsigned char choice, std::string_view bytes, std::size_t step) {
  Outcome outcome;
  const auto reader = adapter.reader(request_of(choice), {});
  reader->head((choice & 0x40) != 0 ? 400 : 200,
               (choice & 0x08) != 0 ? "application/json" : "text/event-stream");
  outcome.whole = read_all(*reader, bytes, outcome.sink, step).has_value();
  outcome.error = reader->error().has_value();
  return outcome;
}

void must(bool truth) {
  if (!truth) std::abort();
}

void check(const std::uint8_t* data, std::size_t size) {
  const unsigned char choice = data[0];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto adapter = (choice & 0x80) != 0 ? make_openai_adapter() : make_llama_adapter();
  const Outcome whole = run(*adapter, choice, bytes, std::string::npos);
  const Outcome cut = run(*adapter, choice, bytes, 3);
  must(whole.sink.log == cut.sink.log);
  must(whole.whole == cut.whole && whole.error == cut.error);
  must(!whole.sink.finished_twice);
  must(host::is_utf8(whole.sink.log));
  must(whole.sink.usages == (whole.whole && !whole.error ? 1 : 0));
}

}  // namespace
}  // namespace millrace::engine

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) millrace::engine::check(data, size);
  return 0;
}
