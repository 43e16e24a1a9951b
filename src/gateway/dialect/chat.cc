// POST /v1/chat/completions: the answer, whole and streamed.
#include "gateway/dialect/answer_base.h"
#include "gateway/dialect/dialect.h"
#include "gateway/dialect/errors.h"
#include "gateway/dialect/json_out.h"
#include "gateway/dialect/tables.h"

namespace millrace::gateway::dialect {
namespace {

constexpr std::size_t kAnswerBytes = 768;  // of a whole answer, besides its texts

void append_head(std::string& out, const AnswerMeta& meta, std::string_view object) {
  out += R"({"id":)";
  append_quoted(out, object_id("chatcmpl-", meta.request_id));
  out += R"(,"object":")";
  out += object;
  out += R"(","created":)";
  append_number(out, meta.created_s);
  out += R"(,"model":)";
  append_quoted(out, meta.model);
}

class WholeChat final : public WholeAnswer {
 public:
  using WholeAnswer::WholeAnswer;

  std::string finish(const engine::Usage& usage, const Footprint& footprint) override {
    std::string out;
    out.reserve(kAnswerBytes + text_bytes());
    append_head(out, meta(), "chat.completion");
    out += R"(,"choices":[)";
    for (std::size_t i = 0; i < choices().size(); ++i) {
      if (i > 0) out += ',';
      append_choice(out, i, choices()[i]);
    }
    out += R"(],"usage":)";
    append_usage(out, UsageShape::kOpenAiChat, usage, footprint);
    out += '}';
    return out;
  }

  std::string fail(const ApiError& error) override { return render_openai_error(error); }

 private:
  static void append_choice(std::string& out, std::size_t index, const CollectedChoice& choice) {
    out += R"({"index":)";
    append_number(out, static_cast<std::int64_t>(index));
    out += R"(,"message":{"role":"assistant","content":)";
    if (choice.text.empty() && !choice.calls.empty()) {
      out += "null";
    } else {
      append_quoted(out, choice.text);
    }
    out += R"(,"refusal":null)";
    if (!choice.reasoning.empty()) {
      out += R"(,"reasoning_content":)";
      append_quoted(out, choice.reasoning);
    }
    if (!choice.calls.empty()) append_calls(out, choice.calls);
    out += R"(},"logprobs":)";
    out += join_logprobs(choice.logprobs);
    out += R"(,"finish_reason":")";
    out += finish_name(choice.finish);
    out += R"("})";
  }

  static void append_calls(std::string& out, const std::vector<CollectedCall>& calls) {
    out += R"(,"tool_calls":[)";
    for (const auto& [index, call] : calls) {
      if (&call != &calls.front().call) out += ',';
      out += R"({"id":)";
      append_quoted(out, call.id);
      out += R"(,"type":"function","function":{"name":)";
      append_quoted(out, call.name);
      out += R"(,"arguments":)";
      append_quoted(out, call.arguments);
      out += "}}";
    }
    out += ']';
  }
};

class ChatStream final : public StreamAnswer {
 public:
  ChatStream(const engine::Request& request, AnswerMeta meta)
      : StreamAnswer(request, std::move(meta)),
        include_usage_(request.include_usage),
        opened_(static_cast<std::size_t>(choice_count())),
        logprobs_(opened_.size()) {
    prefix_ = "data: ";
    append_head(prefix_, this->meta(), "chat.completion.chunk");
    prefix_ += R"(,"choices":[)";
  }

  std::string keep_alive() const override { return ": keep-alive\n\n"; }

  void on_text(int choice, std::string_view text) override { string_delta(choice, R"({"content":)", text); }
  void on_reasoning(int choice, std::string_view text) override {
    string_delta(choice, R"({"reasoning_content":)", text);
  }

  void on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                    std::string_view arguments) override {
    if (!open(choice)) return;
    begin_chunk(choice);
    out() += R"({"tool_calls":[{"index":)";
    append_number(out(), static_cast<std::int64_t>(index));
    out() += R"(,)";
    if (!name.empty()) {
      out() += R"("id":)";
      append_quoted(out(), id);
      out() += R"(,"type":"function","function":{"name":)";
      append_quoted(out(), name);
      out() += R"(,"arguments":)";
    } else {
      out() += R"("function":{"arguments":)";
    }
    append_quoted(out(), arguments);
    out() += "}}]}";
    end_chunk(choice, "null");
  }

  void on_logprobs(int choice, std::string_view json) override {
    if (asked_for(choice)) logprobs_[static_cast<std::size_t>(choice)].emplace_back(json);
  }

  void on_finish(int choice, engine::FinishReason reason) override {
    if (!open(choice)) return;
    begin_chunk(choice);
    out() += "{}";
    std::string name = "\"";
    name += finish_name(reason);
    name += '"';
    end_chunk(choice, name);
  }

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
  // The first chunk of a choice names the role. False for a choice that was not asked for.
  bool open(int choice) {
    if (!asked_for(choice)) return false;
    if (opened_[static_cast<std::size_t>(choice)]) return true;
    opened_[static_cast<std::size_t>(choice)] = true;
    set_started();
    begin_chunk(choice);
    out() += R"({"role":"assistant","content":""},"logprobs":null,"finish_reason":null}])";
    end_line();
    return true;
  }

  void string_delta(int choice, std::string_view key, std::string_view text) {
    if (!open(choice)) return;
    begin_chunk(choice);
    out() += key;
    append_quoted(out(), text);
    out() += '}';
    end_chunk(choice, "null");
  }

  void begin_chunk(int choice) {
    out() += prefix_;
    out() += R"({"index":)";
    append_number(out(), static_cast<std::int64_t>(choice));
    out() += R"(,"delta":)";
  }

  void end_chunk(int choice, std::string_view finish) {
    auto& held = logprobs_[static_cast<std::size_t>(choice)];
    out() += R"(,"logprobs":)";
    out() += held.empty() ? "null" : join_logprobs(held);
    held.clear();
    out() += R"(,"finish_reason":)";
    out() += finish;
    out() += "}]";
    end_line();
  }

  void end_line() { out() += include_usage_ ? ",\"usage\":null}\n\n" : "}\n\n"; }

  bool include_usage_;
  std::vector<bool> opened_;
  std::vector<std::vector<std::string>> logprobs_;  // for the next chunk of that choice
  std::string prefix_;
};

class Chat final : public Dialect {
 public:
  std::string_view path() const override { return "/v1/chat/completions"; }
  Expected<ParsedRequest> parse(std::string_view body) const override {
    return parse_body(body, chat_table());
  }
  std::string render_error(const ApiError& error, const AnswerMeta&) const override {
    return render_openai_error(error);
  }
  std::unique_ptr<Answer> answer(const ParsedRequest& parsed, AnswerMeta meta) const override {
    if (parsed.request.stream) return std::make_unique<ChatStream>(parsed.request, std::move(meta));
    return std::make_unique<WholeChat>(parsed.request, std::move(meta));
  }
  std::string parameters_schema() const override { return schema_of(chat_table()); }
};

}  // namespace

std::unique_ptr<Dialect> make_chat() { return std::make_unique<Chat>(); }

}  // namespace millrace::gateway::dialect
