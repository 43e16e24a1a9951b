// The engine adapter's conformance suite: the llama adapter against a real llama-server with a real model.
// usage: engine_conformance GENERATING_SOCKET EMBEDDING_SOCKET TOOLS_SOCKET
// The first engine has 4 slots of 1024 tokens and -b 128, the second --embeddings, the third a template with tools.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include "engine/llama/llama_adapter.h"
#include "engine/sink_test_util.h"
#include "engine_client.h"
#include "host/utf8.h"

namespace millrace::conformance {
namespace {

using engine::ContentPart;
using engine::FinishReason;
using engine::KeepingSink;
using engine::Message;
using engine::Request;
using engine::Target;
using engine::Task;
using engine::ToolChoice;

struct Outcome {
  KeepingSink sink;
  Result<void> read;
  std::optional<engine::EngineError> error;  // of the adapter or of the engine
};

/// One check; its failures are collected, so that one run shows all that is wrong with a new engine.
class Check {
 public:
  void that(bool truth, std::string what) {
    if (!truth) faults_.push_back(std::move(what));
  }
  template <typename A, typename B>
  void equal(const A& found, const B& wanted, std::string_view what) {
    that(found == wanted, fmt::format("{}: found {}, wanted {}", what, found, wanted));
  }
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  std::vector<std::string> faults_;
};

struct Engine {
  std::string socket;
  Target target;

  Outcome ask(const Request& request, const std::function<bool(const KeepingSink&)>& go_on = {}) const {
    const auto adapter = engine::make_llama_adapter();
    Outcome outcome;
    const auto call_text = adapter->render(request, target);
    if (!call_text) {
      outcome.error = call_text.error();
      return outcome;
    }
    const auto reader = adapter->reader(request, target);
    bool started = false;
    const auto piece = [&](const Answer& head, std::string_view bytes) {
      if (!started) reader->head(head.status, head.content_type);
      started = true;
      outcome.read = reader->feed(bytes, outcome.sink);
      return outcome.read.has_value() && !reader->cut() && (!go_on || go_on(outcome.sink));
    };
    const Result<Answer> answer = call(socket, call_text->path, call_text->body, piece);
    if (!answer) {
      outcome.read = std::unexpected(answer.error());
    } else if (outcome.read && started) {
      outcome.read = reader->end(outcome.sink);
    }
    outcome.error = reader->error();
    return outcome;
  }

  std::int64_t count(const Request& request) const {
    const auto adapter = engine::make_llama_adapter();
    const auto asked = adapter->render_count(request, target);
    if (!asked) return -1;
    const Result<Answer> answer = call(socket, asked->path, asked->body);
    return answer ? adapter->read_count(answer->status, answer->body).value_or(-2) : -3;
  }

  bool busy() const {
    const Result<Answer> answer = call(socket, "/slots", "");
    return answer && answer->body.find("\"is_processing\":true") != std::string::npos;
  }
};

struct Engines {
  Engine generating, embedding, tools;
};

Message user(std::string text) { return {.content = {{ContentPart::Kind::kText, std::move(text)}}}; }

Request chat(std::string text, std::int64_t max_tokens) {
  Request request;
  request.messages.push_back(user(std::move(text)));
  request.sampling.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  return request;
}

Request text(std::string prompt, std::int64_t max_tokens) {
  Request request = chat("", max_tokens);
  request.task = Task::kText;
  request.messages.clear();
  request.prompts = {std::move(prompt)};
  return request;
}

Request embed(std::vector<std::string> inputs) {
  Request request;
  request.task = Task::kEmbed;
  request.inputs = std::move(inputs);
  return request;
}

std::string many_words(int count) {
  std::string words;
  for (int at = 0; at < count; ++at) words += fmt::format("word{} ", at % 10);
  return words;
}

void check_whole(Check& check, const Outcome& got) {
  check.that(got.read.has_value(), got.read ? "" : "read: " + got.read.error().message);
  check.that(!got.error, got.error ? "error: " + got.error->message : "");
  check.equal(got.sink.usages, 1, "usages");
  check.equal(got.sink.output, got.sink.usage.output, "last progress against usage");
  check.that(!got.sink.went_back && !got.sink.finished_twice,
             "progress went back or a choice finished twice");
  check.that(host::is_utf8(got.sink.log), "text that is not UTF-8");
}

void counts_tokens(Check& check, const Engines& engines) {
  Request talk = chat("What is the capital of France?", 5);
  talk.messages.insert(talk.messages.begin(), {.role = Message::Role::kSystem,
                                               .content = {{ContentPart::Kind::kText, "Be brief."}}});
  for (const Request& request : {talk, text("Once upon a time", 5)}) {
    const Outcome got = engines.generating.ask(request);
    check_whole(check, got);
    check.equal(got.sink.usage.output, 5, "output tokens");
    check.that(got.sink.finish.contains(0) && got.sink.finish.at(0) == FinishReason::kLength,
               "finish is not length");
    check.equal(engines.generating.count(request), got.sink.usage.input, "counted prompt against usage");
    check.equal(got.sink.processed, got.sink.usage.input, "processed prompt");
    check.that(!got.sink.text.at(0).empty(), "no text");
    check.that(got.sink.output_at_first_text >= 1, "text before its tokens were counted");
  }
}

void repeats_itself(Check& check, const Engines& engines) {
  Request request = chat("Tell me about watermills.", 12);
  const Outcome first = engines.generating.ask(request);
  const Outcome again = engines.generating.ask(request);
  check.equal(again.sink.text.at(0), first.sink.text.at(0), "the same question at temperature 0");
  check.that(again.sink.usage.cached > 0 && again.sink.usage.cached < again.sink.usage.input,
             "no cached tokens the second time");
  request.sampling.temperature = 1;
  request.sampling.seed = -1;
  const std::string seeded = engines.generating.ask(request).sink.text.at(0);
  check.equal(engines.generating.ask(request).sink.text.at(0), seeded, "the same seed");
}

void stops_at_stop(Check& check, const Engines& engines) {
  Request request = text("1, 2, 3, 4, 5, 6,", 40);
  const std::string whole = engines.generating.ask(request).sink.text.at(0);
  const std::size_t at = whole.find(',');
  check.that(at != std::string::npos, "no comma to stop at in: " + whole);
  request.sampling.stop = {","};
  const Outcome got = engines.generating.ask(request);
  check_whole(check, got);
  check.equal(got.sink.text.contains(0) ? got.sink.text.at(0) : "", whole.substr(0, at),
              "text before the stop");
  check.that(got.sink.finish.at(0) == FinishReason::kStop, "finish is not stop");
}

void answers_choices(Check& check, const Engines& engines) {
  for (Request request : {chat("Say hi", 4), text("Once", 4)}) {
    request.sampling.choices = 3;
    const Outcome got = engines.generating.ask(request);
    check_whole(check, got);
    check.equal(got.sink.finish.size(), 3U, "choices");
    check.equal(got.sink.usage.output, 12, "output of all choices");
    check.equal(got.sink.usage.input, engines.generating.count(request), "the prompt is counted once");
    request.sampling.choices = 5;
    const Outcome refused = engines.generating.ask(request);
    check.that(refused.error && refused.error->param == "n" && refused.error->status == 400,
               "n beyond the slots");
  }
}

void gives_logprobs(Check& check, const Engines& engines) {
  for (const std::int64_t top : {std::int64_t{0}, std::int64_t{2}}) {
    Request request = chat("Say hi", 3);
    request.sampling.logprobs = true;
    request.sampling.top_logprobs = top;
    const Outcome got = engines.generating.ask(request);
    check_whole(check, got);
    check.equal(got.sink.logprobs.size(), 3U, "chat logprobs");
    for (const std::string& one : got.sink.logprobs) {
      const auto tree = boost::json::parse(one);
      check.equal(static_cast<std::int64_t>(tree.at("content").at(0).at("top_logprobs").as_array().size()),
                  top, "alternatives");
      check.that(tree.at("content").at(0).at("logprob").to_number<double>() <= 0, "a probability above one");
    }
  }
  Request request = text("Once", 3);
  request.sampling.logprobs = true;
  const Outcome got = engines.generating.ask(request);
  check.equal(got.sink.logprobs.size(), 3U, "text logprobs");
}

void accepts_every_parameter(Check& check, const Engines& engines) {
  Request request = chat("Say hi", 3);
  request.sampling = {.max_tokens = 3,
                      .temperature = 0.7,
                      .top_p = 0.9,
                      .min_p = 0.05,
                      .presence_penalty = 0.5,
                      .frequency_penalty = 0.5,
                      .repeat_penalty = 1.1,
                      .top_k = 20,
                      .seed = 1,
                      .stop = {"xyz"},
                      .logit_bias = {{28, -100}, {99999999, 1}},
                      .logprobs = false,
                      .top_logprobs = 0,
                      .choices = 1};
  check_whole(check, engines.generating.ask(request));
}

void enforces_schemas(Check& check, const Engines& engines) {
  Request request = chat("Give me a city in France as JSON.", 80);
  request.format = {
      engine::ResponseFormat::Kind::kJsonSchema, "city",
      R"({"type":"object","properties":{"city":{"type":"string","maxLength":12},"size":{"enum":["small","big"]}},)"
      R"("required":["city","size"],"additionalProperties":false})",
      true};
  const Outcome got = engines.generating.ask(request);
  check_whole(check, got);
  boost::system::error_code problem;
  const auto tree = boost::json::parse(got.sink.text.at(0), problem);
  check.that(
      !problem && tree.is_object() && tree.as_object().contains("city") && tree.as_object().contains("size"),
      "not of the schema: " + got.sink.text.at(0));
  request.format = {engine::ResponseFormat::Kind::kJsonObject, "", "", false};
  request.sampling.max_tokens = 10;
  const Outcome object = engines.generating.ask(request);
  check.that(object.sink.text.at(0).find_first_not_of(" \n") == object.sink.text.at(0).find('{'),
             "not an object: " + object.sink.text.at(0));
  request.format = {engine::ResponseFormat::Kind::kJsonSchema, "bad", R"({"type":"foo"})", true};
  const Outcome bad = engines.generating.ask(request);
  check.that(bad.error && bad.error->status == 400 && bad.error->param == "response_format",
             "an impossible schema");
}

Request with_tools(ToolChoice choice) {
  Request request = chat("What is the weather in Paris?", 100);
  request.tools.push_back(
      {"get_weather", "Weather of a city now",
       R"({"type":"object","properties":{"city":{"$ref":"#/$defs/City"}},"required":["city"],)"
       R"("additionalProperties":false,"$defs":{"City":{"type":"string","maxLength":20}}})",
       true});
  request.tools.push_back({"get_time", "", "", false});
  request.tool_choice = std::move(choice);
  return request;
}

void check_call(Check& check, const Outcome& got, bool must_be_weather) {
  check_whole(check, got);
  check.that(got.sink.text.empty(), "text beside the call");
  check.equal(got.sink.calls.size(), 1U, "calls");
  if (got.sink.calls.empty()) return;
  const engine::KeptCall& made = got.sink.calls.begin()->second;
  check.that(made.id.starts_with("call_") && made.id.size() > 12, "id of the call: " + made.id);
  check.that(made.name == "get_weather" || (!must_be_weather && made.name == "get_time"),
             "called: " + made.name);
  boost::system::error_code problem;
  const auto arguments = boost::json::parse(made.arguments, problem);
  check.that(!problem && arguments.is_object(), "arguments: " + made.arguments);
  check.that(made.name != "get_weather" || made.arguments.find("\"city\"") != std::string::npos,
             "arguments: " + made.arguments);
  check.that(got.sink.finish.at(0) == FinishReason::kToolCalls, "finish is not tool_calls");
}

void enforces_tools(Check& check, const Engines& engines) {
  for (const Engine* engine : {&engines.generating, &engines.tools}) {
    const Outcome named = engine->ask(with_tools({ToolChoice::Kind::kNamed, "get_weather"}));
    check_call(check, named, true);
    check_call(check, engine->ask(with_tools({ToolChoice::Kind::kRequired, ""})), false);
    Request open = with_tools({});
    open.sampling.max_tokens = 8;
    const Outcome free = engine->ask(open);
    check_whole(check, free);
    check.equal(engine->count(open), free.sink.usage.input, "counted prompt with tools against usage");
    open.messages.push_back({.role = Message::Role::kAssistant,
                             .tool_calls = {{"call_1", "get_weather", R"({"city":"Paris"})"}}});
    open.messages.push_back({.role = Message::Role::kTool,
                             .content = {{ContentPart::Kind::kText, "18 degrees, sunny"}},
                             .tool_call_id = "call_1"});
    check_whole(check, engine->ask(open));
  }
  const Outcome paris = engines.generating.ask(with_tools({ToolChoice::Kind::kNamed, "get_weather"}));
  check.that(paris.sink.calls.at({0, 0}).arguments.find("Paris") != std::string::npos,
             "the city asked for: " + paris.sink.calls.at({0, 0}).arguments);
}

void echoes(Check& check, const Engines& engines) {
  Request request = text("Once upon a time", 3);
  const std::string plain = engines.generating.ask(request).sink.text.at(0);
  request.echo = true;
  check.equal(engines.generating.ask(request).sink.text.at(0), "Once upon a time" + plain, "echo");
}

void mends_errors(Check& check, const Engines& engines) {
  const auto exceeded = [&](const Engine& engine, const Request& request, std::string_view param) {
    const Outcome got = engine.ask(request);
    check.that(
        got.error && got.error->status == 400 && got.error->code == "context_length_exceeded" &&
            got.error->param == param,
        fmt::format("a {} beyond the context: {}", param, got.error ? got.error->message : "no error"));
  };
  exceeded(engines.generating, chat(many_words(1500), 1), "messages");
  exceeded(engines.generating, text(many_words(1500), 1), "prompt");
  exceeded(engines.embedding, embed({many_words(1500)}), "input");
  const Outcome wrong = engines.generating.ask(embed({"hi"}));
  check.that(wrong.error && wrong.error->status == 400 && wrong.error->code == "unsupported_model",
             "embeddings of a chat engine");
}

void embeds(Check& check, const Engines& engines) {
  const Request request = embed({"a watermill", "a wheel in a river", "a watermill"});
  const Outcome got = engines.embedding.ask(request);
  check.that(got.read && !got.error, got.error ? got.error->message : "read failed");
  check.equal(got.sink.embeddings.size(), 3U, "embeddings");
  if (got.sink.embeddings.size() != 3) return;
  check.that(got.sink.embeddings.at(0).size() > 100, "a narrow embedding");
  check.that(got.sink.embeddings.at(0) != got.sink.embeddings.at(1), "two texts, one embedding");
  check.equal(got.sink.usage.input, engines.embedding.count(request), "counted input against usage");
}

bool idle_within(const Engine& engine, std::chrono::milliseconds limit);

void tells_the_stop(Check& check, const Engines& engines) {
  Request request = chat("Name the capital of France and tell its story.", 200);
  const std::string plain = engines.generating.ask(request).sink.text.at(0);
  const std::size_t from = plain.find(' ', 12) + 1;
  const std::string word = plain.substr(from, plain.find(' ', from) - from);
  request.tell_stop = true;
  request.sampling.stop = {"no such text", word};
  const Outcome got = engines.generating.ask(request);
  check_whole(check, got);
  check.equal(got.sink.text.at(0), plain.substr(0, plain.find(word)), "text before the stop sequence");
  check.that(got.sink.stops.contains(0) && got.sink.stops.at(0) == word, "which stop sequence ended it");
  check.that(got.sink.usage.output > 0 && got.sink.usage.output < 200, "tokens up to the stop sequence");
  check.that(idle_within(engines.generating, std::chrono::milliseconds(1000)),
             "works on 1 s after the stop sequence");
}

void answers_several_prompts(Check& check, const Engines& engines) {
  const std::string first = "The capital of France is", second = "Once upon a time";
  const Outcome one = engines.generating.ask(text(first, 4)), other = engines.generating.ask(text(second, 4));
  Request request = text(first, 4);
  request.prompts.push_back(second);
  const Outcome both = engines.generating.ask(request);
  check_whole(check, both);
  check.equal(both.sink.text.at(0), one.sink.text.at(0), "the first prompt's text");
  check.equal(both.sink.text.at(1), other.sink.text.at(0), "the second prompt's text");
  check.equal(both.sink.usage.input, one.sink.usage.input + other.sink.usage.input, "tokens of both prompts");
  check.equal(engines.generating.count(request), both.sink.usage.input, "counted prompts against usage");
}

bool idle_within(const Engine& engine, std::chrono::milliseconds limit) {
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < limit) {
    if (!engine.busy()) return true;
  }
  return false;
}

void cancels(Check& check, const Engines& engines) {
  const Outcome writing = engines.generating.ask(chat("Write a very long story about a river.", 900),
                                                 [](const KeepingSink& sink) { return sink.pieces < 2; });
  check.that(writing.sink.usages == 0, "the answer was whole before it could be cancelled");
  check.that(idle_within(engines.generating, std::chrono::milliseconds(1000)),
             "works on 1 s after its client has gone (generation)");
  // How fast a prompt is left depends on the machine's load, so it is held against the whole prompt's time.
  const auto start = std::chrono::steady_clock::now();
  check_whole(check, engines.generating.ask(chat("First " + many_words(400), 1)));
  const auto whole =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  const Outcome reading = engines.generating.ask(chat("Now " + many_words(400), 1),
                                                 [](const KeepingSink& sink) { return sink.total == 0; });
  check.that(reading.sink.output == 0 && reading.sink.total > 400,
             "the prompt was read before it could be cancelled");
  // The server looks for closed connections once a second, and between two batches of the prompt.
  const auto limit = std::chrono::milliseconds(1500) + whole / 3;
  check.that(idle_within(engines.generating, limit),
             fmt::format("works on {} ms after its client has gone; the whole prompt takes {} ms",
                         limit.count(), whole.count()));
}

void writes_whole_characters(Check& check, const Engines& engines) {
  const Outcome got = engines.generating.ask(text("🌟🌟🌟🌟🌟🌟🌟🌟🌟🌟 é é é é é 🌟🌟🌟", 20));
  check_whole(check, got);
}

struct Named {
  const char* name;
  void (*run)(Check&, const Engines&);
};

constexpr Named kChecks[] = {
    {"counts the tokens of prompt and answer", counts_tokens},
    {"the same question and seed give the same answer, from the cache", repeats_itself},
    {"stops at a stop text", stops_at_stop},
    {"tells which stop text ended an answer", tells_the_stop},
    {"answers several choices", answers_choices},
    {"answers several prompts", answers_several_prompts},
    {"gives log probabilities", gives_logprobs},
    {"accepts every sampling parameter", accepts_every_parameter},
    {"enforces JSON schemas", enforces_schemas},
    {"enforces tools with and without a template for them", enforces_tools},
    {"echoes the prompt", echoes},
    {"writes whole characters", writes_whole_characters},
    {"gives OpenAI's errors", mends_errors},
    {"embeds", embeds},
    {"stops working when its client goes", cancels},
};

}  // namespace

int run_all(const Engines& engines) {
  int failed = 0;
  for (const Named& one : kChecks) {
    Check check;
    try {
      one.run(check, engines);
    } catch (const std::exception& problem) {  // .at() of an answer that is not there
      check.that(false, fmt::format("threw {}", problem.what()));
    }
    fmt::print("{} - {}\n", check.faults().empty() ? "ok" : "not ok", one.name);
    for (const std::string& fault : check.faults()) fmt::print("    {}\n", fault);
    std::fflush(stdout);
    failed += check.faults().empty() ? 0 : 1;
  }
  return failed;
}

Engines engines_at(char** sockets) {
  Engines engines;
  engines.generating.socket = sockets[0];
  engines.embedding.socket = sockets[1];
  engines.tools.socket = sockets[2];
  engines.tools.target.template_has_tools = true;
  return engines;
}

}  // namespace millrace::conformance

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: engine_conformance GENERATING_SOCKET EMBEDDING_SOCKET TOOLS_SOCKET\n");
    return 2;
  }
  return millrace::conformance::run_all(millrace::conformance::engines_at(argv + 1)) == 0 ? 0 : 1;
}
