// POST /v1/completions, OpenAI's older dialect: a prompt in, text out.
#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>

#include "gateway/dialect/answer_base.h"
#include "gateway/dialect/dialect.h"
#include "gateway/dialect/errors.h"
#include "gateway/dialect/json_out.h"
#include "gateway/dialect/openai_fields.h"
#include "gateway/dialect/tables.h"

namespace millrace::gateway::dialect {
namespace {

Status set_prompt(const json::value& value, const Path& at, ParsedRequest& to) {
  auto& prompts = to.request.prompts;
  if (value.is_string()) {
    prompts.emplace_back(TRY(expect_string(value, at, 1)));
    return {};
  }
  return read_texts(value, at, engine::kMaxChoices, prompts);
}

Status set_suffix(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.suffix = std::string_view(value.get_string());
  return {};
}

Status set_echo(const json::value& value, const Path&, ParsedRequest& to) {
  to.request.echo = value.get_bool();
  return {};
}

// Here the number of alternatives is the switch as well: 0 gives the chosen token alone.
Status set_logprobs(const json::value& value, const Path& at, ParsedRequest& to) {
  to.request.sampling.logprobs = true;
  to.request.sampling.top_logprobs = TRY(expect_integer(value, at));
  return {};
}

// The answer has the choices of every prompt.
Status check_choices(const json::object&, ParsedRequest& to) {
  if (engine::choice_count(to.request) <= engine::kMaxChoices) return {};
  return std::unexpected(unsupported(
      Path("prompt"),
      fmt::format("Unsupported value: one answer holds {} choices at most here, but {} prompts with "
                  "'n' of {} ask for more.",
                  engine::kMaxChoices, to.request.prompts.size(), to.request.sampling.choices)));
}

constexpr std::array kRows{
    kModelRow,
    required(other("prompt",
                   R"({"anyOf":[{"type":"string","minLength":1},{"type":"array","minItems":1,"maxItems":128,)"
                   R"("items":{"type":"string","minLength":1}}]})",
                   set_prompt)),
    string("suffix", 1 << 20, set_suffix),
    boolean("echo", set_echo),
    kStreamRow,
    kStreamOptionsRow,
    integer("max_tokens", 1, kMaxTokensLimit, set_max_tokens),
    kTemperatureRow,
    kTopPRow,
    kMinPRow,
    kTopKRow,
    kPresenceRow,
    kFrequencyRow,
    kRepeatRow,
    kRepetitionRow,
    kSeedRow,
    kChoicesRow,
    kStopRow,
    kLogitBiasRow,
    integer("logprobs", 0, 5, set_logprobs),
    kUserRow,
    kMetadataRow,
    kStoreRow,
    kServiceTierRow,
    kPromptCacheKeyRow,
    kSafetyIdentifierRow,
    kParallelToolCallsRow,
};
constexpr std::array<std::string_view, 1> kUnsupported{"best_of"};
constexpr Table kTable{.rows = kRows, .unsupported = kUnsupported, .finish = check_choices};

void append_head(std::string& out, const AnswerMeta& meta) {
  out += R"({"id":)";
  append_quoted(out, object_id("cmpl-", meta.request_id));
  out += R"(,"object":"text_completion","created":)";
  append_number(out, meta.created_s);
  out += R"(,"model":)";
  append_quoted(out, meta.model);
  out += R"(,"choices":[)";
}

void append_choice(std::string& out, std::int64_t index, std::string_view text, std::string_view logprobs,
                   std::string_view finish) {
  out += R"({"text":)";
  append_quoted(out, text);
  out += R"(,"index":)";
  append_number(out, index);
  out += R"(,"logprobs":)";
  out += logprobs;
  out += R"(,"finish_reason":)";
  append_quoted_or_null(out, finish);
  out += '}';
}

class WholeText final : public WholeAnswer {
 public:
  using WholeAnswer::WholeAnswer;

  std::string finish(const engine::Usage& usage, const Footprint& footprint) override {
    std::string out;
    append_head(out, meta());
    for (std::size_t i = 0; i < choices().size(); ++i) {
      const auto& choice = choices()[i];
      if (i > 0) out += ',';
      append_choice(out, static_cast<std::int64_t>(i), choice.text, join_logprobs(choice.logprobs),
                    finish_name(choice.finish));
    }
    out += R"(],"usage":)";
    append_usage(out, UsageShape::kOpenAiChat, usage, footprint);
    out += '}';
    return out;
  }

  std::string fail(const ApiError& error) override { return render_openai_error(error); }
};

class TextStream final : public StreamAnswer {
 public:
  TextStream(const engine::Request& request, AnswerMeta meta)
      : StreamAnswer(request, std::move(meta)),
        include_usage_(request.include_usage),
        logprobs_(static_cast<std::size_t>(choice_count())) {
    prefix_ = "data: ";
    append_head(prefix_, this->meta());
  }

  std::string keep_alive() const override { return ": keep-alive\n\n"; }

  void on_text(int choice, std::string_view text) override { chunk(choice, text, {}); }
  void on_reasoning(int, std::string_view) override {}  // this dialect has no place for it
  void on_tool_call(int, int, std::string_view, std::string_view, std::string_view) override {}
  void on_logprobs(int choice, std::string_view json) override {
    if (asked_for(choice)) logprobs_[static_cast<std::size_t>(choice)].emplace_back(json);
  }
  void on_finish(int choice, engine::FinishReason reason) override { chunk(choice, "", finish_name(reason)); }

  std::string finish(const engine::Usage& usage, const Footprint& footprint) override {
    set_started();
    if (include_usage_) {
      out() += prefix_;
      out() += R"(],"usage":)";
      append_usage(out(), UsageShape::kOpenAiChat, usage, footprint);
      out() += "}\n\n";
    }
    out() += "data: [DONE]\n\n";
    return take();
  }

  std::string fail(const ApiError& error) override {
    set_started();
    out() += "data: ";
    out() += render_openai_error(error);
    out() += "\n\n";
    return take();
  }

 private:
  void chunk(int choice, std::string_view text, std::string_view finish) {
    if (!asked_for(choice)) return;
    set_started();
    auto& held = logprobs_[static_cast<std::size_t>(choice)];
    out() += prefix_;
    append_choice(out(), choice, text, join_logprobs(held), finish);
    held.clear();
    out() += include_usage_ ? "],\"usage\":null}\n\n" : "]}\n\n";
  }

  bool include_usage_;
  std::vector<std::vector<std::string>> logprobs_;  // for the next chunk of that choice
  std::string prefix_;
};

class Completions final : public Dialect {
 public:
  std::string_view path() const override { return "/v1/completions"; }
  Expected<ParsedRequest> parse(std::string_view body) const override {
    return parse_body(body, kTable, engine::Task::kText);
  }
  std::string render_error(const ApiError& error, const AnswerMeta&) const override {
    return render_openai_error(error);
  }
  std::unique_ptr<Answer> answer(const ParsedRequest& parsed, AnswerMeta meta) const override {
    if (parsed.request.stream) return std::make_unique<TextStream>(parsed.request, std::move(meta));
    return std::make_unique<WholeText>(parsed.request, std::move(meta));
  }
  std::string parameters_schema() const override { return schema_of(kTable); }
};

}  // namespace

const Table& completions_table() { return kTable; }

std::unique_ptr<Dialect> make_completions() { return std::make_unique<Completions>(); }

}  // namespace millrace::gateway::dialect
