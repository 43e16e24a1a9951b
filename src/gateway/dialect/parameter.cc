#include "gateway/dialect/parameter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cassert>
#include <cmath>

#include "gateway/dialect/json_out.h"
#include "host/json.h"

namespace millrace::gateway::dialect {
namespace {

constexpr std::size_t kMaxEchoedLength = 100;  // bytes of a client's own text that an error repeats
constexpr std::size_t kArenaBytes = 16 * 1024;

// At most kMaxEchoedLength bytes, cut between characters.
std::string_view shortened(std::string_view text) {
  if (text.size() <= kMaxEchoedLength) return text;
  std::size_t end = kMaxEchoedLength;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

std::string_view type_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "an integer";
    case json::kind::double_:
      return "a decimal";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "an unknown type";
}

// "a|b|c" to "'a', 'b', and 'c'"
std::string quoted_list(std::string_view choices) {
  std::string out;
  const auto count = std::ranges::count(choices, '|') + 1;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const auto one = choices.substr(0, choices.find('|'));
    choices.remove_prefix(std::min(choices.size(), one.size() + 1));
    if (i > 0) out += count > 2 ? ", " : " ";
    if (i > 0 && i + 1 == count) out += "and ";
    out += fmt::format("'{}'", one);
  }
  return out;
}

bool is_choice(std::string_view choices, std::string_view text) {
  while (!choices.empty()) {
    const auto one = choices.substr(0, choices.find('|'));
    if (one == text) return true;
    choices.remove_prefix(std::min(choices.size(), one.size() + 1));
  }
  return false;
}

Status check_value(const Parameter& row, const json::value& value, const Path& at) {
  switch (row.kind) {
    case Kind::kBoolean:
      TRY(expect_boolean(value, at));
      return {};
    case Kind::kInteger:
      if (const auto number =
              TRY(expect_integer(value, at, row.integer_min, std::max(row.integer_max, row.integer_beyond)));
          number > row.integer_max) {
        return std::unexpected(
            unsupported(at, fmt::format("Unsupported value: '{}' is {} at most here, but got {}.", at.text(),
                                        row.integer_max, number)));
      }
      return {};
    case Kind::kNumber:
      TRY(expect_number(value, at, row.number_min, row.number_max));
      return {};
    case Kind::kString:
      TRY(expect_string(value, at, row.required ? 1 : 0, row.length_max));
      return {};
    case Kind::kChoice:
      TRY(expect_choice(value, at, row.choices, row.beyond));
      return {};
    case Kind::kOther:
      return {};
  }
  return {};
}

ApiError refuse_member(std::string_view name, const Table& table) {
  const Path at(name);
  if (std::ranges::find(table.unsupported, name) == table.unsupported.end()) {
    return invalid(at, "unknown_parameter", fmt::format("Unknown parameter: '{}'.", shortened(name)));
  }
  return unsupported(at, fmt::format("Unsupported parameter: '{}' is not supported here.", name));
}

/// Finds each member's row first, since a body holds few of a table's parameters; then applies them in table order.
Status apply_members(const json::object& object, const Table& table, ParsedRequest& to) {
  constexpr std::size_t kMaxRows = 64;
  assert(table.rows.size() <= kMaxRows);
  std::array<const json::value*, kMaxRows> given{};
  for (const auto& member : object) {
    const std::string_view name = member.key();
    const auto row = std::ranges::find(table.rows, name, &Parameter::name);
    if (row != table.rows.end()) {
      given[static_cast<std::size_t>(row - table.rows.begin())] = &member.value();
    } else if (!member.value().is_null() ||
               std::ranges::find(table.unsupported, name) == table.unsupported.end()) {
      return std::unexpected(refuse_member(name, table));
    }
  }
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const Parameter& row = table.rows[i];
    const json::value* value = given[i];
    if (value == nullptr) {
      if (row.required) return std::unexpected(missing(Path(row.name)));
      continue;
    }
    if (value->is_null() && !row.required) continue;
    const Path at(row.name);
    TRY_VOID(check_value(row, *value, at));
    if (row.apply != nullptr) TRY_VOID(row.apply(*value, at, to));
  }
  return {};
}

ApiError not_an_object(std::string message) {
  return {400, "invalid_request_error", "invalid_json", "", std::move(message)};
}

void append_schema(std::string& out, const Parameter& row) {
  // A parameter that may be absent may be null as well.
  const auto type = [&](std::string_view name) {
    return row.required ? fmt::format(R"("type":"{}")", name) : fmt::format(R"("type":["{}","null"])", name);
  };
  switch (row.kind) {
    case Kind::kBoolean:
      out += type("boolean");
      break;
    case Kind::kInteger:
      out +=
          fmt::format(R"({},"minimum":{},"maximum":{})", type("integer"), row.integer_min, row.integer_max);
      break;
    case Kind::kNumber:
      out += fmt::format(R"({},"minimum":{},"maximum":{})", type("number"), row.number_min, row.number_max);
      break;
    case Kind::kString:
      out += fmt::format(R"({},"minLength":{},"maxLength":{})", type("string"), row.required ? 1 : 0,
                         row.length_max);
      break;
    case Kind::kChoice:
      out += type("string") + R"(,"enum":[")";
      for (const char c : row.choices) {
        if (c == '|') {
          out += R"(",")";
        } else {
          out += c;
        }
      }
      out += row.required ? R"("])" : R"(",null])";
      break;
    case Kind::kOther:
      if (row.required) {
        out += row.schema.substr(1, row.schema.size() - 2);
      } else {
        out += fmt::format(R"("anyOf":[{},{{"type":"null"}}])", row.schema);
      }
      break;
  }
}

}  // namespace

std::string Path::text() const {
  std::string out = parent_ != nullptr ? parent_->text() : std::string();
  if (index_ >= 0) return out + fmt::format("[{}]", index_);
  if (parent_ != nullptr) out += '.';
  out += shortened(key_);
  return out;
}

ApiError invalid(const Path& at, std::string_view code, std::string message) {
  return {400, "invalid_request_error", std::string(code), at.text(), std::move(message)};
}

ApiError invalid_type(const Path& at, std::string_view expected, const json::value& found) {
  return invalid(at, "invalid_type",
                 fmt::format("Invalid type for '{}': expected {}, but got {} instead.", at.text(), expected,
                             type_name(found)));
}

ApiError invalid_choice(const Path& at, std::string_view choices, std::string_view found) {
  return invalid(
      at, "invalid_value",
      fmt::format("Invalid value: '{}'. Supported values are: {}.", shortened(found), quoted_list(choices)));
}

ApiError unsupported(const Path& at, std::string message) {
  return invalid(at, "unsupported_parameter", std::move(message));
}

ApiError unsupported_choice(const Path& at, std::string_view choices, std::string_view found) {
  return unsupported(
      at, fmt::format("Unsupported value: '{}' does not support '{}' here. Supported values are: {}.",
                      at.text(), shortened(found), quoted_list(choices)));
}

ApiError missing(const Path& at) {
  return invalid(at, "missing_required_parameter",
                 fmt::format("Missing required parameter: '{}'.", at.text()));
}

Expected<bool> expect_boolean(const json::value& value, const Path& at) {
  if (!value.is_bool()) return std::unexpected(invalid_type(at, "a boolean", value));
  return value.get_bool();
}

Expected<std::int64_t> expect_integer(const json::value& value, const Path& at, std::int64_t min,
                                      std::int64_t max) {
  std::int64_t number = 0;
  if (value.is_int64()) {
    number = value.get_int64();
  } else if (value.is_uint64()) {
    return std::unexpected(
        invalid(at, "integer_above_max_value",
                fmt::format("Invalid '{}': integer above maximum value. Expected a value <= {}, but got "
                            "{} instead.",
                            at.text(), max, value.get_uint64())));
  } else if (value.is_double() && std::trunc(value.get_double()) == value.get_double() &&
             std::fabs(value.get_double()) <= 9007199254740992.0) {
    number = static_cast<std::int64_t>(value.get_double());
  } else {
    return std::unexpected(invalid_type(at, "an integer", value));
  }
  if (number < min) {
    return std::unexpected(
        invalid(at, "integer_below_min_value",
                fmt::format("Invalid '{}': integer below minimum value. Expected a value >= {}, but got "
                            "{} instead.",
                            at.text(), min, number)));
  }
  if (number > max) {
    return std::unexpected(
        invalid(at, "integer_above_max_value",
                fmt::format("Invalid '{}': integer above maximum value. Expected a value <= {}, but got "
                            "{} instead.",
                            at.text(), max, number)));
  }
  return number;
}

Expected<double> expect_number(const json::value& value, const Path& at, double min, double max) {
  if (!value.is_number()) return std::unexpected(invalid_type(at, "a decimal", value));
  const double number = value.to_number<double>();
  if (!(number >= min)) {
    return std::unexpected(
        invalid(at, "decimal_below_min_value",
                fmt::format("Invalid '{}': decimal below minimum value. Expected a value >= {}, but got "
                            "{} instead.",
                            at.text(), min, number)));
  }
  if (!(number <= max)) {
    return std::unexpected(
        invalid(at, "decimal_above_max_value",
                fmt::format("Invalid '{}': decimal above maximum value. Expected a value <= {}, but got "
                            "{} instead.",
                            at.text(), max, number)));
  }
  return number;
}

Expected<std::string_view> expect_string(const json::value& value, const Path& at, std::size_t min_length,
                                         std::size_t max_length) {
  if (!value.is_string()) return std::unexpected(invalid_type(at, "a string", value));
  const std::string_view text = value.get_string();
  if (text.size() < min_length) {
    return std::unexpected(
        invalid(at, "empty_string",
                fmt::format("Invalid '{}': empty string. Expected a string with minimum length {}, but "
                            "got an empty string instead.",
                            at.text(), min_length)));
  }
  if (text.size() > max_length) {
    return std::unexpected(
        invalid(at, "string_above_max_length",
                fmt::format("Invalid '{}': string too long. Expected a string with maximum length {}, but "
                            "got a string with length {} instead.",
                            at.text(), max_length, text.size())));
  }
  return text;
}

Expected<std::string_view> expect_choice(const json::value& value, const Path& at, std::string_view choices,
                                         std::string_view beyond) {
  if (!value.is_string()) return std::unexpected(invalid_type(at, "one of " + quoted_list(choices), value));
  const std::string_view text = value.get_string();
  if (is_choice(choices, text)) return text;
  if (!text.empty() && (beyond == kAnyOther || is_choice(beyond, text))) {
    return std::unexpected(unsupported_choice(at, choices, text));
  }
  return std::unexpected(invalid_choice(at, choices, text));
}

Expected<const json::object*> expect_object(const json::value& value, const Path& at) {
  if (!value.is_object()) return std::unexpected(invalid_type(at, "an object", value));
  return &value.get_object();
}

Expected<const json::array*> expect_array(const json::value& value, const Path& at, std::size_t min_size,
                                          std::size_t max_size) {
  if (!value.is_array()) return std::unexpected(invalid_type(at, "an array", value));
  const auto& array = value.get_array();
  if (array.size() < min_size) {
    return std::unexpected(
        invalid(at, "empty_array",
                fmt::format("Invalid '{}': empty array. Expected an array with minimum length {}, but got "
                            "an empty array instead.",
                            at.text(), min_size)));
  }
  if (array.size() > max_size) {
    return std::unexpected(
        invalid(at, "array_above_max_length",
                fmt::format("Invalid '{}': array too long. Expected an array with maximum length {}, but "
                            "got an array with length {} instead.",
                            at.text(), max_size, array.size())));
  }
  return &array;
}

const json::value* Members::find(std::string_view name) {
  assert(asked_count_ < kMaxNames);
  asked_[asked_count_++] = name;
  const auto* value = object_.if_contains({name.data(), name.size()});
  return value != nullptr && !value->is_null() ? value : nullptr;
}

Expected<const json::value*> Members::need(std::string_view name) {
  find(name);
  const auto* value = object_.if_contains({name.data(), name.size()});
  if (value == nullptr) return std::unexpected(missing(Path(at_, name)));
  return value;
}

Expected<std::string_view> Members::text(std::string_view name) {
  const auto* value = find(name);
  if (value == nullptr) return std::string_view();
  return expect_string(*value, Path(at_, name));
}

Expected<std::string_view> Members::need_text(std::string_view name) {
  const auto* value = TRY(need(name));
  return expect_string(*value, Path(at_, name));
}

Expected<std::string_view> Members::need_choice(std::string_view name, std::string_view choices,
                                                std::string_view beyond) {
  const auto* value = TRY(need(name));
  return expect_choice(*value, Path(at_, name), choices, beyond);
}

Expected<const json::object*> Members::need_object(std::string_view name) {
  const auto* value = TRY(need(name));
  return expect_object(*value, Path(at_, name));
}

Expected<bool> Members::flag(std::string_view name) {
  const auto* value = find(name);
  if (value == nullptr) return false;
  return expect_boolean(*value, Path(at_, name));
}

Status Members::done() const {
  const std::span asked(asked_, asked_count_);
  for (const auto& member : object_) {
    const std::string_view name = member.key();
    if (member.value().is_null() || std::ranges::find(asked, name) != asked.end()) continue;
    const Path at(at_, name);
    return std::unexpected(
        invalid(at, "unknown_parameter", fmt::format("Unknown parameter: '{}'.", at.text())));
  }
  return {};
}

Expected<ParsedRequest> parse_body(std::string_view body, const Table& table, engine::Task task) {
  std::array<unsigned char, kArenaBytes> arena;
  json::monotonic_resource memory(arena.data(), arena.size());
  const auto tree = host::parse_json(body, {}, &memory);
  if (!tree) {
    return std::unexpected(
        not_an_object("We could not parse the JSON body of your request. " + tree.error().message));
  }
  const auto* object = tree->if_object();
  if (object == nullptr) {
    return std::unexpected(not_an_object(
        fmt::format("The body of your request must be a JSON object, but it is {}.", type_name(*tree))));
  }
  ParsedRequest parsed;
  parsed.request.task = task;
  TRY_VOID(apply_members(*object, table, parsed));
  if (table.finish != nullptr) TRY_VOID(table.finish(*object, parsed));
  return parsed;
}

std::string schema_of(const Table& table) {
  std::string out = R"({"type":"object","additionalProperties":false,"properties":{)";
  std::string names;
  for (const auto& row : table.rows) {
    if (&row != table.rows.data()) out += ',';
    append_quoted(out, row.name);
    out += ":{";
    append_schema(out, row);
    out += row.cls == Class::kForwarded ? R"(,"x-millrace-class":"forwarded"})"
                                        : R"(,"x-millrace-class":"accepted"})";
    if (!row.required) continue;
    if (!names.empty()) names += ',';
    append_quoted(names, row.name);
  }
  // What is refused by name may be there as null, as clients send what they leave out.
  for (const auto name : table.unsupported) {
    out += ',';
    append_quoted(out, name);
    out += R"(:{"type":"null","x-millrace-class":"refused"})";
  }
  out += R"(},"required":[)";
  out += names;
  out += "]}";
  return out;
}

}  // namespace millrace::gateway::dialect
