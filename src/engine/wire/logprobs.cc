#include "engine/wire/logprobs.h"

#include <algorithm>

#include "engine/wire/json.h"
#include "host/json_writer.h"

namespace millrace::engine::wire {
namespace {

namespace json = boost::json;

double logprob_of(const json::object& token) {
  // The OpenAI API writes -9999.0 for what is too unlikely to be named, as JSON has no infinity.
  constexpr double kUnlikely = -9999.0;
  const json::value* value = token.if_contains("logprob");
  if (value == nullptr) return kUnlikely;
  boost::system::error_code problem;
  const double number = value->to_number<double>(problem);
  return problem ? kUnlikely : number;
}

void write_token(host::JsonWriter& out, const json::object& token) {
  out.field("token", find_string(token, "token")).field("logprob", logprob_of(token)).key("bytes");
  const json::array* bytes = find_array(token, "bytes");
  if (bytes == nullptr) {
    out.null();
    return;
  }
  out.begin_array();
  for (const json::value& byte : *bytes) {
    if (byte.is_int64()) out.value(byte.get_int64() & 0xFF);
  }
  out.end_array();
}

/// Calls `visit` for at most `top` alternatives of a token.
template <typename Visitor>
void for_top(const json::object& token, std::int64_t top, const Visitor& visit) {
  const json::array* items = find_array(token, "top_logprobs");
  if (items == nullptr) return;
  for (const json::value& item : *items) {
    if (top-- <= 0) return;
    if (const json::object* object = item.if_object()) visit(*object);
  }
}

template <typename Visitor>
void for_each_object(const json::array& items, const Visitor& visit) {
  for (const json::value& item : items) {
    if (const json::object* object = item.if_object()) visit(*object);
  }
}

std::int64_t characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::string text_from_content(const json::array& content, std::int64_t top, std::int64_t offset) {
  host::JsonWriter out;
  out.begin_object().key("tokens").begin_array();
  for_each_object(content, [&](const json::object& token) { out.value(find_string(token, "token")); });
  out.end_array().key("token_logprobs").begin_array();
  for_each_object(content, [&](const json::object& token) { out.value(logprob_of(token)); });
  out.end_array().key("top_logprobs");
  if (top <= 0) {
    out.null();
  } else {
    out.begin_array();
    for_each_object(content, [&](const json::object& token) {
      // Two tokens may be written alike (parts of one character); an object's keys may not.
      json::object unique;
      for_top(token, top, [&](const json::object& item) {
        const std::string_view name = find_string(item, "token");
        unique.emplace(json::string_view(name.data(), name.size()), logprob_of(item));
      });
      out.value(json::value(std::move(unique)));
    });
    out.end_array();
  }
  out.key("text_offset").begin_array();
  for_each_object(content, [&](const json::object& token) {
    out.value(offset);
    offset += characters(find_string(token, "token"));
  });
  return out.end_array().end_object().take();
}

}  // namespace

std::string chat_logprobs(const json::object& logprobs, std::int64_t top) {
  const json::array* content = find_array(logprobs, "content");
  if (content == nullptr || content->empty()) return {};
  host::JsonWriter out;
  out.begin_object().key("content").begin_array();
  for_each_object(*content, [&](const json::object& token) {
    out.begin_object();
    write_token(out, token);
    out.key("top_logprobs").begin_array();
    for_top(token, top, [&](const json::object& item) {
      out.begin_object();
      write_token(out, item);
      out.end_object();
    });
    out.end_array().end_object();
  });
  return out.end_array().end_object().take();
}

std::string text_logprobs(const json::object& logprobs, std::int64_t top, std::int64_t offset) {
  if (const json::array* content = find_array(logprobs, "content")) {
    return content->empty() ? std::string() : text_from_content(*content, top, offset);
  }
  if (find_array(logprobs, "tokens") == nullptr) return {};
  host::JsonWriter out;
  out.begin_object();
  for (const char* key : {"tokens", "token_logprobs", "top_logprobs", "text_offset"}) {
    const json::value* value = logprobs.if_contains(key);
    out.key(key);
    if (value == nullptr || !value->is_array()) {
      out.null();
    } else {
      out.value(*value);
    }
  }
  return out.end_object().take();
}

}  // namespace millrace::engine::wire
