#include "api/call.h"

#include "host/json_writer.h"

namespace millrace::api {

namespace json = boost::json;

std::string_view Call::query_text(std::string_view name, std::string_view otherwise) const {
  const auto found = query.find(name);
  return found == query.end() ? otherwise : std::string_view(found->second.as_string());
}

std::int64_t Call::query_int(std::string_view name, std::int64_t otherwise) const {
  const auto found = query.find(name);
  return found == query.end() ? otherwise : found->second.as_int64();
}

namespace {

void append(const json::value& value, std::string& out) {
  if (value.is_object()) {
    char separator = '{';
    for (const auto& member : value.get_object()) {
      out += separator;
      host::append_json_string(out, member.key());
      out += ':';
      append(member.value(), out);
      separator = ',';
    }
    out += separator == '{' ? "{}" : "}";
  } else if (value.is_array()) {
    char separator = '[';
    for (const json::value& item : value.get_array()) {
      out += separator;
      append(item, out);
      separator = ',';
    }
    out += separator == '[' ? "[]" : "]";
  } else if (value.is_double()) {
    host::append_json_number(out, value.get_double());
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string json_text(const json::value& value) {
  std::string out;
  append(value, out);
  return out;
}

Reply json_reply(int status, const json::value& body) {
  return {status, "application/json", json_text(body), {}};
}

}  // namespace millrace::api
