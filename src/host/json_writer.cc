#include "host/json_writer.h"

#include <boost/json.hpp>
#include <charconv>
#include <cmath>

#include "host/text_scan.h"
#include "host/utf8.h"

namespace millrace::host {
namespace {

void append_escaped(std::string& out, unsigned char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '"':
      out.append("\\\"");
      return;
    case '\\':
      out.append("\\\\");
      return;
    case '\n':
      out.append("\\n");
      return;
    case '\r':
      out.append("\\r");
      return;
    case '\t':
      out.append("\\t");
      return;
    case '\b':
      out.append("\\b");
      return;
    case '\f':
      out.append("\\f");
      return;
    default:
      out.append("\\u00");
      out.push_back(kHex[c >> 4]);
      out.push_back(kHex[c & 15]);
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  std::size_t at = plain_json_length(text);
  const std::size_t before = out.size();
  // One step for the quotes and all that needs no escape: nearly every string is such a one.
  const std::size_t after = before + at + 2;
  out.resize_and_overwrite(after, [&](char* bytes, std::size_t /*libstdc++ 12 tells the capacity*/) {
    bytes[before] = '"';
    text.copy(bytes + before + 1, at);
    bytes[after - 1] = '"';
    return after;
  });
  if (at == text.size()) return;
  out.pop_back();
  while (at < text.size()) {
    const std::size_t plain = plain_json_length(text.substr(at));
    out.append(text.substr(at, plain));
    at += plain;
    if (at == text.size()) break;
    const auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x20 || c == '"' || c == '\\' || c == 0x7F) {
      append_escaped(out, c);
      ++at;
      continue;
    }
    const std::size_t length = utf8_length(text.substr(at));
    if (length == 0) {
      out.append("\xEF\xBF\xBD");
      ++at;
    } else {
      out.append(text.substr(at, length));
      at += length;
    }
  }
  out.push_back('"');
}

std::string quote_json(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_json_string(out, text);
  return out;
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out.append("null");
    return;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out.append(buffer, end);
  if (std::string_view(buffer, end).find_first_of(".e") == std::string_view::npos) out.append(".0");
}

JsonWriter& JsonWriter::integer(std::int64_t number) {
  char buffer[24];
  return raw({buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr});
}

JsonWriter& JsonWriter::unsigned_integer(std::uint64_t number) {
  char buffer[24];
  return raw({buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr});
}

JsonWriter& JsonWriter::value(const boost::json::value& tree) {
  switch (tree.kind()) {
    case boost::json::kind::null:
      return null();
    case boost::json::kind::bool_:
      return value(tree.get_bool());
    case boost::json::kind::int64:
      return value(tree.get_int64());
    case boost::json::kind::uint64:
      return value(tree.get_uint64());
    case boost::json::kind::double_:
      return value(tree.get_double());
    case boost::json::kind::string:
      return value(std::string_view(tree.get_string().data(), tree.get_string().size()));
    case boost::json::kind::array:
      begin_array();
      for (const auto& item : tree.get_array()) value(item);
      return end_array();
    case boost::json::kind::object:
      begin_object();
      for (const auto& member : tree.get_object()) {
        key({member.key().data(), member.key().size()}).value(member.value());
      }
      return end_object();
  }
  return *this;
}

}  // namespace millrace::host
