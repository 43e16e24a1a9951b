// POST /v1/responses: the answer, whole and streamed.
#include "gateway/dialect/dialect.h"
#include "gateway/dialect/errors.h"
#include "gateway/dialect/responses_stream.h"
#include "gateway/dialect/tables.h"

namespace millrace::gateway::dialect {
namespace {

class ResponseAnswer final : public Answer {
 public:
  ResponseAnswer(const ParsedRequest& parsed, AnswerMeta meta)
      : streaming_(parsed.request.stream), builder_(parsed, std::move(meta), parsed.request.stream) {}

  std::string_view content_type() const override {
    return streaming_ ? "text/event-stream" : "application/json";
  }
  bool streaming() const override { return streaming_; }
  bool started() const override { return streaming_ && builder_.started(); }
  std::string take() override { return builder_.take(); }
  std::string keep_alive() const override { return streaming_ ? ": keep-alive\n\n" : ""; }

  // This dialect has one choice only.
  void on_progress(const engine::Usage&, std::int64_t) override {}
  void on_text(int choice, std::string_view text) override {
    if (choice == 0) builder_.text(text);
  }
  void on_reasoning(int choice, std::string_view text) override {
    if (choice == 0) builder_.reasoning(text);
  }
  void on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                    std::string_view arguments) override {
    if (choice == 0) builder_.tool_call(index, id, name, arguments);
  }
  void on_logprobs(int choice, std::string_view json) override {
    if (choice == 0) builder_.logprobs(json);
  }
  void on_finish(int choice, engine::FinishReason reason) override {
    if (choice == 0) builder_.end(reason);
  }
  void on_embedding(int, std::vector<float>) override {}
  void on_usage(const engine::Usage&) override {}

  std::string finish(const engine::Usage& usage, const Footprint& footprint) override {
    std::string object = builder_.complete(usage, footprint);
    return streaming_ ? builder_.take() : object;
  }

  std::string fail(const ApiError& error) override {
    if (!streaming_) return render_openai_error(error);
    builder_.fail(error);
    return builder_.take();
  }

 private:
  bool streaming_;
  ResponseBuilder builder_;
};

class Responses final : public Dialect {
 public:
  std::string_view path() const override { return "/v1/responses"; }
  Expected<ParsedRequest> parse(std::string_view body) const override {
    return parse_body(body, responses_table());
  }
  std::string render_error(const ApiError& error, const AnswerMeta&) const override {
    return render_openai_error(error);
  }
  std::unique_ptr<Answer> answer(const ParsedRequest& parsed, AnswerMeta meta) const override {
    return std::make_unique<ResponseAnswer>(parsed, std::move(meta));
  }
  std::string parameters_schema() const override { return schema_of(responses_table()); }
};

}  // namespace

std::unique_ptr<Dialect> make_responses() { return std::make_unique<Responses>(); }

}  // namespace millrace::gateway::dialect
