#include "gateway/dialect/responses_stream.h"

#include <boost/json.hpp>

#include "gateway/dialect/answer_base.h"
#include "gateway/dialect/json_out.h"

namespace millrace::gateway::dialect {
namespace {

// The tokens of chat's {"content":[...]} alone.
std::string token_list(const std::vector<std::string>& pieces) {
  if (pieces.empty()) return "[]";
  boost::system::error_code fault;
  const auto tree = boost::json::parse(join_logprobs(pieces), fault);
  const auto* object = fault ? nullptr : tree.if_object();
  const auto* content = object != nullptr ? object->if_contains("content") : nullptr;
  return content != nullptr && content->is_array() ? std::string(boost::json::serialize(*content)) : "[]";
}

}  // namespace

ResponseBuilder::ResponseBuilder(const ParsedRequest& parsed, AnswerMeta meta, bool events)
    : meta_(std::move(meta)), echo_(parsed.echo), events_(events) {}

void ResponseBuilder::begin_event(std::string_view type) {
  out_ += "event: ";
  out_ += type;
  out_ += "\ndata: {\"type\":\"";
  out_ += type;
  out_ += R"(","sequence_number":)";
  append_number(out_, sequence_++);
}

void ResponseBuilder::begin_item_event(std::string_view type, bool has_content_index) {
  begin_event(type);
  out_ += R"(,"item_id":)";
  append_quoted(out_, item_id_);
  out_ += R"(,"output_index":)";
  append_number(out_, static_cast<std::int64_t>(done_.size()));
  if (has_content_index) out_ += R"(,"content_index":0)";
}

void ResponseBuilder::member(std::string_view name, std::string_view text) {
  out_ += ",\"";
  out_ += name;
  out_ += "\":";
  append_quoted(out_, text);
}

void ResponseBuilder::end_event() { out_ += "}\n\n"; }

void ResponseBuilder::start() {
  if (started_) return;
  started_ = true;
  if (!events_) return;
  const std::string object = response("in_progress", "null", "null");
  for (const std::string_view type : {"response.created", "response.in_progress"}) {
    begin_event(type);
    out_ += R"(,"response":)";
    out_ += object;
    end_event();
  }
}

std::string ResponseBuilder::part(std::string_view kind) const {
  std::string out = R"({"type":")";
  out += kind;
  out += R"(","text":)";
  append_quoted(out, text_);
  if (kind == "output_text") {
    out += R"(,"annotations":[],"logprobs":)";
    out += token_list(item_logprobs_);
  }
  out += '}';
  return out;
}

std::string ResponseBuilder::item(std::string_view status) const {
  std::string out = R"({"id":)";
  append_quoted(out, item_id_);
  const bool in_progress = status == "in_progress";
  if (open_ == Open::kMessage) {
    out += R"(,"type":"message","role":"assistant","content":[)";
    if (!in_progress) out += part("output_text");
    out += ']';
  } else if (open_ == Open::kReasoning) {
    out += R"(,"type":"reasoning","summary":[],"content":[)";
    if (!in_progress) out += part("reasoning_text");
    out += R"(],"encrypted_content":null)";
  } else {
    out += R"(,"type":"function_call","call_id":)";
    append_quoted(out, call_.id);
    out += R"(,"name":)";
    append_quoted(out, call_.name);
    out += R"(,"arguments":)";
    append_quoted(out, in_progress ? "" : text_);
  }
  out += R"(,"status":")";
  out += status;
  out += "\"}";
  return out;
}

void ResponseBuilder::open(Open kind) {
  start();
  close();
  open_ = kind;
  const std::string_view prefix = kind == Open::kMessage ? "msg_" : kind == Open::kReasoning ? "rs_" : "fc_";
  item_id_ = object_id(prefix, meta_.request_id);
  item_id_ += '_';
  append_number(item_id_, static_cast<std::int64_t>(done_.size()));
  if (!events_) return;
  begin_event("response.output_item.added");
  out_ += R"(,"output_index":)";
  append_number(out_, static_cast<std::int64_t>(done_.size()));
  out_ += R"(,"item":)";
  out_ += item("in_progress");
  end_event();
  if (kind == Open::kCall) return;
  begin_item_event("response.content_part.added", true);
  out_ += R"(,"part":)";
  out_ += part(kind == Open::kMessage ? "output_text" : "reasoning_text");
  end_event();
}

void ResponseBuilder::close_part(std::string_view kind) {
  begin_item_event(kind == "output_text" ? "response.output_text.done" : "response.reasoning_text.done",
                   true);
  member("text", text_);
  if (kind == "output_text") {
    out_ += R"(,"logprobs":)";
    out_ += token_list(item_logprobs_);
  }
  end_event();
  begin_item_event("response.content_part.done", true);
  out_ += R"(,"part":)";
  out_ += part(kind);
  end_event();
}

void ResponseBuilder::close() {
  if (open_ == Open::kNone) return;
  const bool whole =
      reason_ != engine::FinishReason::kLength && reason_ != engine::FinishReason::kContentFilter;
  std::string finished = item(whole ? "completed" : "incomplete");
  if (events_) {
    if (open_ == Open::kMessage) close_part("output_text");
    if (open_ == Open::kReasoning) close_part("reasoning_text");
    if (open_ == Open::kCall) {
      begin_item_event("response.function_call_arguments.done", false);
      member("name", call_.name);
      member("arguments", text_);
      end_event();
    }
    begin_event("response.output_item.done");
    out_ += R"(,"output_index":)";
    append_number(out_, static_cast<std::int64_t>(done_.size()));
    out_ += R"(,"item":)";
    out_ += finished;
    end_event();
  }
  done_.push_back(std::move(finished));
  open_ = Open::kNone;
  text_.clear();
  item_logprobs_.clear();
  call_ = {};
}

void ResponseBuilder::text(std::string_view piece) {
  if (open_ != Open::kMessage) open(Open::kMessage);
  text_ += piece;
  if (events_) {
    begin_item_event("response.output_text.delta", true);
    member("delta", piece);
    out_ += R"(,"logprobs":)";
    out_ += token_list(held_logprobs_);
    end_event();
  }
  for (auto& one : held_logprobs_) item_logprobs_.push_back(std::move(one));
  held_logprobs_.clear();
}

void ResponseBuilder::reasoning(std::string_view piece) {
  if (open_ != Open::kReasoning) open(Open::kReasoning);
  text_ += piece;
  if (!events_) return;
  begin_item_event("response.reasoning_text.delta", true);
  member("delta", piece);
  end_event();
}

void ResponseBuilder::tool_call(int index, std::string_view id, std::string_view name,
                                std::string_view arguments) {
  if (open_ != Open::kCall || call_index_ != index) {
    close();
    call_ = {std::string(id), std::string(name), {}};
    call_index_ = index;
    open(Open::kCall);
  }
  text_ += arguments;
  if (!events_ || arguments.empty()) return;
  begin_item_event("response.function_call_arguments.delta", false);
  member("delta", arguments);
  end_event();
}

std::string ResponseBuilder::response(std::string_view status, std::string_view error,
                                      std::string_view usage) const {
  std::string out = R"({"id":)";
  append_quoted(out, object_id("resp_", meta_.request_id));
  out += R"(,"object":"response","created_at":)";
  append_number(out, meta_.created_s);
  out += R"(,"status":")";
  out += status;
  out += R"(","error":)";
  out += error;
  out += R"(,"incomplete_details":)";
  if (status == "incomplete") {
    out += reason_ == engine::FinishReason::kContentFilter ? R"({"reason":"content_filter"})"
                                                           : R"({"reason":"max_output_tokens"})";
  } else {
    out += "null";
  }
  out += R"(,"model":)";
  append_quoted(out, meta_.model);
  out += R"(,"output":[)";
  for (std::size_t i = 0; i < done_.size(); ++i) {
    if (i > 0) out += ',';
    out += done_[i];
  }
  out += "],";
  out += echo_;
  out += R"(,"usage":)";
  out += usage;
  out += '}';
  return out;
}

std::string ResponseBuilder::complete(const engine::Usage& usage, const Footprint& footprint) {
  if (open_ == Open::kNone && done_.empty()) open(Open::kMessage);
  close();
  const bool whole =
      reason_ != engine::FinishReason::kLength && reason_ != engine::FinishReason::kContentFilter;
  std::string usage_text;
  append_usage(usage_text, UsageShape::kOpenAiResponses, usage, footprint);
  std::string object = response(whole ? "completed" : "incomplete", "null", usage_text);
  if (events_) {
    begin_event(whole ? "response.completed" : "response.incomplete");
    out_ += R"(,"response":)";
    out_ += object;
    end_event();
  }
  return object;
}

void ResponseBuilder::fail(const ApiError& error) {
  start();
  begin_event("error");
  out_ += R"(,"code":)";
  append_quoted_or_null(out_, error.code);
  member("message", error.message);
  out_ += R"(,"param":)";
  append_quoted_or_null(out_, error.param);
  end_event();
  std::string described = R"({"code":)";
  append_quoted(described, error.status == 429 ? "rate_limit_exceeded" : "server_error");
  described += R"(,"message":)";
  append_quoted(described, error.message);
  described += '}';
  begin_event("response.failed");
  out_ += R"(,"response":)";
  out_ += response("failed", described, "null");
  end_event();
}

}  // namespace millrace::gateway::dialect
