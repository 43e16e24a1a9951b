// The allow-list of a dialect as a table: one row for each parameter of a body, from which come the check, the engine
// request, the OpenAPI schema and the tests.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "gateway/dialect/dialect.h"

namespace millrace::gateway::dialect {

namespace json = boost::json;

using Status = std::expected<void, ApiError>;
template <typename T>
using Expected = std::expected<T, ApiError>;

/// Where in a body a value stands; a chain of stack objects, put into words only when an error needs them.
class Path {
 public:
  explicit Path(std::string_view key) : key_(key) {}
  Path(const Path& parent, std::string_view key) : parent_(&parent), key_(key) {}
  Path(const Path& parent, std::size_t index) : parent_(&parent), index_(static_cast<std::int64_t>(index)) {}
  Path(const Path&) = delete;
  /// "messages[0].content"
  std::string text() const;

 private:
  const Path* parent_ = nullptr;
  std::string_view key_;
  std::int64_t index_ = -1;
};

enum class Class {
  kForwarded,  // honoured: part of the engine's request, or of how the answer is given
  kAccepted,   // allowed, so that clients work, and not forwarded
};

enum class Kind { kBoolean, kInteger, kNumber, kString, kChoice, kOther };

/// Puts a value that has the row's type and range into the request; an error refuses it.
using Apply = Status (*)(const json::value& value, const Path& at, ParsedRequest& to);

struct Parameter {
  std::string_view name;
  Kind kind = Kind::kOther;
  Apply apply = nullptr;  // nullptr: nothing to do once type and range are right
  Class cls = Class::kForwarded;
  bool required = false;  // others may be absent or null
  std::int64_t integer_min = 0, integer_max = 0;
  std::int64_t integer_beyond =
      0;  // values above the maximum and up to this are the vendor's, and not honoured here
  double number_min = 0, number_max = 0;
  std::size_t length_max = 0;     // kString, bytes
  std::string_view choices = {};  // kChoice: "low|medium|high"
  std::string_view beyond = {};   // kChoice: see expect_choice
  std::string_view schema = {};   // kOther: JSON schema text
};

struct Table {
  std::span<const Parameter> rows;
  std::span<const std::string_view> unsupported;  // parameters of the vendor's API that are refused as such
  // Last, with the whole body: rules over several parameters, and what the answer repeats of it. May be nullptr.
  Status (*finish)(const json::object& body, ParsedRequest& to) = nullptr;
};

constexpr Parameter boolean(std::string_view name, Apply apply) {
  return {.name = name, .kind = Kind::kBoolean, .apply = apply};
}
constexpr Parameter integer(std::string_view name, std::int64_t min, std::int64_t max, Apply apply) {
  return {.name = name, .kind = Kind::kInteger, .apply = apply, .integer_min = min, .integer_max = max};
}
constexpr Parameter number(std::string_view name, double min, double max, Apply apply) {
  return {.name = name, .kind = Kind::kNumber, .apply = apply, .number_min = min, .number_max = max};
}
constexpr Parameter string(std::string_view name, std::size_t length_max, Apply apply) {
  return {.name = name, .kind = Kind::kString, .apply = apply, .length_max = length_max};
}
constexpr Parameter choice(std::string_view name, std::string_view choices, Apply apply,
                           std::string_view beyond = {}) {
  return {.name = name, .kind = Kind::kChoice, .apply = apply, .choices = choices, .beyond = beyond};
}
constexpr Parameter other(std::string_view name, std::string_view schema, Apply apply) {
  return {.name = name, .kind = Kind::kOther, .apply = apply, .schema = schema};
}
constexpr Parameter accepted(Parameter row) {
  row.cls = Class::kAccepted;
  return row;
}
constexpr Parameter beyond(Parameter row, std::int64_t integer_beyond) {
  row.integer_beyond = integer_beyond;
  return row;
}
constexpr Parameter required(Parameter row) {
  row.required = true;
  return row;
}

/// Reads the body as a JSON object, checks it against the table and applies the rows in the table's order, so that a later
/// row may rely on what an earlier one put into the request. Unknown members are refused before anything is applied.
Expected<ParsedRequest> parse_body(std::string_view body, const Table& table,
                                   engine::Task task = engine::Task::kChat);

/// The JSON schema of a body that the table accepts (Dialect::parameters_schema).
std::string schema_of(const Table& table);

// The OpenAI API's errors for a wrong value. `at` becomes `param`.
ApiError invalid(const Path& at, std::string_view code, std::string message);
ApiError invalid_type(const Path& at, std::string_view expected, const json::value& found);
ApiError invalid_choice(const Path& at, std::string_view choices, std::string_view found);
ApiError unsupported(const Path& at, std::string message);
ApiError unsupported_choice(const Path& at, std::string_view choices, std::string_view found);
ApiError missing(const Path& at);

// Typed reading; each names the value's place on failure.
Expected<bool> expect_boolean(const json::value& value, const Path& at);
/// Numbers without a fraction count as integers, as in JSON Schema.
Expected<std::int64_t> expect_integer(const json::value& value, const Path& at,
                                      std::int64_t min = std::numeric_limits<std::int64_t>::min(),
                                      std::int64_t max = std::numeric_limits<std::int64_t>::max());
Expected<double> expect_number(const json::value& value, const Path& at, double min, double max);
Expected<std::string_view> expect_string(const json::value& value, const Path& at, std::size_t min_length = 0,
                                         std::size_t max_length = std::numeric_limits<std::size_t>::max());
/// `beyond` are values that the vendor's API has and that are not honoured here: they are unsupported_parameter. With
/// kAnyOther that is every other text, where the vendor's list is open.
inline constexpr std::string_view kAnyOther = "*";
Expected<std::string_view> expect_choice(const json::value& value, const Path& at, std::string_view choices,
                                         std::string_view beyond = {});
Expected<const json::object*> expect_object(const json::value& value, const Path& at);
Expected<const json::array*> expect_array(const json::value& value, const Path& at, std::size_t min_size = 0,
                                          std::size_t max_size = std::numeric_limits<std::size_t>::max());

/// Members of an object inside a body: what is not asked for by name, and not null, is refused by done().
class Members {
 public:
  Members(const json::object& object, const Path& at) : object_(object), at_(at) {}
  Members(const json::object& object, Path&& at) = delete;  // `at` must outlive the object
  /// nullptr if it is absent or null.
  const json::value* find(std::string_view name);
  /// missing_required_parameter if it is absent; null is handed on.
  Expected<const json::value*> need(std::string_view name);
  // As find and need, of one type; absent or null: "" and false.
  Expected<std::string_view> text(std::string_view name);
  Expected<std::string_view> need_text(std::string_view name);
  Expected<std::string_view> need_choice(std::string_view name, std::string_view choices,
                                         std::string_view beyond = {});
  Expected<const json::object*> need_object(std::string_view name);
  Expected<bool> flag(std::string_view name);
  /// unknown_parameter for the first member that was never asked for. One that is null is as good as absent: clients hand
  /// answers back with every member that a newer API than ours has.
  Status done() const;
  const Path& at() const { return at_; }

 private:
  static constexpr std::size_t kMaxNames = 24;
  const json::object& object_;
  const Path& at_;
  std::string_view asked_[kMaxNames] = {};
  std::size_t asked_count_ = 0;
};

}  // namespace millrace::gateway::dialect
