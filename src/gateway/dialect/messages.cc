// POST /v1/messages, Anthropic's dialect: the answer, whole and streamed.
#include <algorithm>
#include <boost/json.hpp>

#include "gateway/dialect/answer_base.h"
#include "gateway/dialect/dialect.h"
#include "gateway/dialect/errors.h"
#include "gateway/dialect/json_out.h"
#include "gateway/dialect/tables.h"

namespace millrace::gateway::dialect {
namespace {

std::string_view stop_reason(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::kStop:
      return "end_turn";
    case engine::FinishReason::kLength:
      return "max_tokens";
    case engine::FinishReason::kToolCalls:
      return "tool_use";
    case engine::FinishReason::kContentFilter:
      return "refusal";
  }
  return "end_turn";
}

/// `stop`: the stop sequence that ended the answer; "" if none did, or an upstream does not tell.
void append_stop(std::string& out, engine::FinishReason reason, std::string_view stop) {
  const bool met = !stop.empty() && reason == engine::FinishReason::kStop;
  out += R"("stop_reason":")";
  out += met ? "stop_sequence" : stop_reason(reason);
  out += R"(","stop_sequence":)";
  append_quoted_or_null(out, met ? stop : "");
}

void append_head(std::string& out, const AnswerMeta& meta) {
  out += R"({"id":)";
  append_quoted(out, object_id("msg_", meta.request_id));
  out += R"(,"type":"message","role":"assistant","model":)";
  append_quoted(out, meta.model);
  out += R"(,"content":[)";
}

class WholeMessage final : public WholeAnswer {
 public:
  using WholeAnswer::WholeAnswer;

  std::string finish(const engine::Usage& usage, const Footprint& footprint) override {
    const auto& choice = choices().front();
    std::string out;
    append_head(out, meta());
    const std::size_t empty = out.size();
    if (!choice.reasoning.empty()) {
      out += R"({"type":"thinking","thinking":)";
      append_quoted(out, choice.reasoning);
      out += R"(,"signature":""})";
    }
    if (!choice.text.empty()) {
      if (out.size() > empty) out += ',';
      out += R"({"type":"text","text":)";
      append_quoted(out, choice.text);
      out += '}';
    }
    for (const auto& [index, call] : choice.calls) {
      if (out.size() > empty) out += ',';
      append_tool_use(out, call);
    }
    out += "],";
    append_stop(out, choice.finish, choice.stop);
    out += R"(,"usage":)";
    append_usage(out, UsageShape::kAnthropic, usage, footprint);
    out += '}';
    return out;
  }

  std::string fail(const ApiError& error) override {
    return render_anthropic_error(error, meta().request_id);
  }

 private:
  // `input` must be an object here. Arguments that the engine cut short are none, so they are left out.
  static void append_tool_use(std::string& out, const engine::ToolCall& call) {
    out += R"({"type":"tool_use","id":)";
    append_quoted(out, call.id);
    out += R"(,"name":)";
    append_quoted(out, call.name);
    out += R"(,"input":)";
    boost::system::error_code fault;
    const auto tree = boost::json::parse(call.arguments, fault);
    out += !fault && tree.is_object() ? std::string(boost::json::serialize(tree)) : "{}";
    out += '}';
  }
};

class MessageStream final : public StreamAnswer {
 public:
  using StreamAnswer::StreamAnswer;

  std::string keep_alive() const override {
    return started() ? "event: ping\ndata: {\"type\":\"ping\"}\n\n" : std::string();
  }

  void on_progress(const engine::Usage& so_far, std::int64_t prompt_total) override {
    known_ = so_far;
    known_.input = prompt_total;
  }

  void on_text(int choice, std::string_view text) override {
    if (choice != 0) return;
    open(Block::kText, [this] { out() += R"({"type":"text","text":""})"; });
    delta(R"({"type":"text_delta","text":)", text);
  }

  void on_reasoning(int choice, std::string_view text) override {
    if (choice != 0) return;
    open(Block::kThinking, [this] { out() += R"({"type":"thinking","thinking":"","signature":""})"; });
    delta(R"({"type":"thinking_delta","thinking":)", text);
  }

  void on_tool_call(int choice, int index, std::string_view id, std::string_view name,
                    std::string_view arguments) override {
    if (choice != 0) return;
    if (block_ == Block::kTool && call_index_ != index) close();
    call_index_ = index;
    open(Block::kTool, [&] {
      out() += R"({"type":"tool_use","id":)";
      append_quoted(out(), id);
      out() += R"(,"name":)";
      append_quoted(out(), name);
      out() += R"(,"input":{}})";
    });
    if (!arguments.empty()) delta(R"({"type":"input_json_delta","partial_json":)", arguments);
  }

  void on_logprobs(int, std::string_view) override {}  // this dialect has none

  void on_finish(int choice, engine::FinishReason reason) override {
    if (choice != 0) return;
    start();
    close();
    reason_ = reason;
  }

  void on_stop(int choice, std::string_view sequence) override {
    if (choice == 0) stop_ = sequence;
  }

  std::string finish(const engine::Usage& usage, const Footprint& footprint) override {
    start();
    close();
    out() += R"(event: message_delta
data: {"type":"message_delta","delta":{)";
    append_stop(out(), reason_, stop_);
    out() += R"(},"usage":)";
    append_usage(out(), UsageShape::kAnthropic, usage, footprint);
    out() += "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    return take();
  }

  std::string fail(const ApiError& error) override {
    set_started();
    out() += "event: error\ndata: ";
    out() += render_anthropic_error(error, meta().request_id);
    out() += "\n\n";
    return take();
  }

 private:
  enum class Block { kNone, kText, kThinking, kTool };

  void start() {
    if (started()) return;
    set_started();
    out() += "event: message_start\ndata: {\"type\":\"message_start\",\"message\":";
    append_head(out(), meta());
    out() += R"(],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":)";
    append_number(out(), std::max<std::int64_t>(0, known_.input - known_.cached));
    out() += R"(,"cache_creation_input_tokens":0,"cache_read_input_tokens":)";
    append_number(out(), known_.cached);
    out() += R"(,"output_tokens":)";
    append_number(out(), known_.output);
    out() += "}}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n";
  }

  template <typename WriteBlock>
  void open(Block block, WriteBlock write_block) {
    if (block_ == block) return;
    start();
    close();
    block_ = block;
    out() += "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":";
    append_number(out(), index_);
    out() += R"(,"content_block":)";
    write_block();
    out() += "}\n\n";
  }

  void delta(std::string_view head, std::string_view text) {
    out() += "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":";
    append_number(out(), index_);
    out() += R"(,"delta":)";
    out() += head;
    append_quoted(out(), text);
    out() += "}}\n\n";
  }

  void close() {
    if (block_ == Block::kNone) return;
    out() += "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":";
    append_number(out(), index_);
    out() += "}\n\n";
    block_ = Block::kNone;
    ++index_;
  }

  engine::Usage known_;
  engine::FinishReason reason_ = engine::FinishReason::kStop;
  std::string stop_;
  Block block_ = Block::kNone;
  std::int64_t index_ = 0;
  int call_index_ = 0;
};

class Messages final : public Dialect {
 public:
  std::string_view path() const override { return "/v1/messages"; }
  std::string_view id_header() const override { return kAnthropicIdHeader; }
  Expected<ParsedRequest> parse(std::string_view body) const override {
    return parse_body(body, messages_table());
  }
  std::string render_error(const ApiError& error, const AnswerMeta& meta) const override {
    return render_anthropic_error(error, meta.request_id);
  }
  std::unique_ptr<Answer> answer(const ParsedRequest& parsed, AnswerMeta meta) const override {
    if (parsed.request.stream) return std::make_unique<MessageStream>(parsed.request, std::move(meta));
    return std::make_unique<WholeMessage>(parsed.request, std::move(meta));
  }
  std::string parameters_schema() const override { return schema_of(messages_table()); }
};

}  // namespace

std::unique_ptr<Dialect> make_messages() { return std::make_unique<Messages>(); }

}  // namespace millrace::gateway::dialect
