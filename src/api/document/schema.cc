#include "api/document/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <optional>

#include "core/clock.h"
#include "core/id.h"

namespace millrace::api {

namespace json = boost::json;

namespace {

constexpr std::string_view kRefPrefix = "#/components/schemas/";
constexpr std::array<std::string_view, 21> kKeywords = {
    "type",      "properties",  "required", "additionalProperties",
    "items",     "enum",        "minimum",  "maximum",
    "minLength", "maxLength",   "pattern",  "format",
    "oneOf",     "anyOf",       "$ref",     "minItems",
    "maxItems",  "description", "default",  "minProperties",
    "writeOnly"};

constexpr std::string_view kUnknownMember = "is not known here";
constexpr std::string_view kLacksMember = "lacks ";
constexpr std::string_view kWrongType = "must be of type ";

std::string type_text(const json::value& type) {
  if (type.is_string()) return std::string(type.get_string());
  std::string text;
  for (const json::value& name : type.as_array()) {
    text += (text.empty() ? "" : " or ") + std::string(name.as_string());
  }
  return text;
}

std::unexpected<Error> fault(std::string_view place, std::string_view text) {
  return failure(ErrorCode::kInvalidArgument, fmt::format("{}: {}", place.empty() ? "/" : place, text));
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.' || c == '-';
  });
}

/// Of a host name.
bool is_label(std::string_view text) { return is_name(text) && !text.contains('.'); }

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_http_url(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

/// A regular expression as the document shows it, and the function that decides the same: no matcher has to read
/// patterns at run time, or recurse over what a stranger sent.
struct Pattern {
  std::string_view text;
  bool (*holds)(std::string_view);
  std::string_view words;
};
constexpr std::array<Pattern, 5> kPatterns = {
    {{"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$", is_name,
      "must be 1 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends"},
     {"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", is_label,
      "must be 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends"},
     {"^[A-Za-z0-9_.-]{1,64}$", is_id, "must be 1 to 64 letters, digits, dots, hyphens and underscores"},
     {"^[0-9a-f]{64}$", is_sha256, "must be 64 hexadecimal digits in lower case"},
     {"^https?://", is_http_url, "must start with http:// or https://"}}};

const Pattern* pattern_of(std::string_view text) {
  const auto* found = std::ranges::find(kPatterns, text, &Pattern::text);
  return found == kPatterns.end() ? nullptr : found;
}

std::size_t code_points(std::string_view text) {
  return std::size_t(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_type(std::string_view type, const json::value& value) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_bool();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  if (type == "number") return value.is_number();
  return value
      .is_int64();  // "integer"; doubles and large unsigned ones were made int64 before, where they can be
}

/// JSON Schema knows no difference between 1 and 1.0; the handlers want an int64.
void make_integer(json::value& value) {
  if (!value.is_double()) return;
  const double number = value.get_double();
  if (std::trunc(number) == number && std::abs(number) < 9e15) value = std::int64_t(number);
}

class Checker {
 public:
  explicit Checker(const Schemas& schemas) : schemas_(schemas) {}

  Result<void> check(const json::value& schema, json::value& value, const std::string& place) {
    const json::object& rules = schema.as_object();
    if (const auto* ref = rules.if_contains("$ref")) {
      return check(*schemas_.find(std::string_view(ref->as_string()).substr(kRefPrefix.size())), value,
                   place);
    }
    TRY_VOID(check_type(rules, value, place));
    if (const auto* allowed = rules.if_contains("enum")) {
      if (std::ranges::find(allowed->as_array(), value) == allowed->as_array().end()) {
        return fault(place, "must be one of " + json::serialize(*allowed));
      }
    }
    for (const char* word : {"oneOf", "anyOf"}) {
      if (const auto* choices = rules.if_contains(word))
        TRY_VOID(check_choices(word, *choices, value, place));
    }
    if (value.is_string()) return check_string(rules, value.get_string(), place);
    if (value.is_number()) return check_number(rules, value, place);
    if (value.is_array()) return check_array(rules, value.get_array(), place);
    if (value.is_object()) return check_object(rules, value.get_object(), place);
    return {};
  }

 private:
  Result<void> check_type(const json::object& rules, json::value& value, const std::string& place) {
    const auto* type = rules.if_contains("type");
    if (!type) return {};
    json::array one;
    if (type->is_string()) one.push_back(*type);
    const json::array& types = type->is_string() ? one : type->as_array();
    for (const json::value& name : types) {
      if (name == "integer") make_integer(value);
      if (is_type(name.as_string(), value)) return {};
    }
    return fault(place, fmt::format("{}{}", kWrongType, type_text(*type)));
  }

  /// How near to a form a value was: 2 if a member of it is wrong, 1 if it is itself, 0 if the form is another one.
  static int rank_of(const Error& error, std::string_view place) {
    const std::string_view text = error.message;
    const bool is_itself = text.starts_with(fmt::format("{}: ", place.empty() ? "/" : place));
    const bool is_other = text.contains(kLacksMember) || text.contains(kWrongType);
    if (text.ends_with(kUnknownMember) || (is_itself && is_other)) return 0;
    return is_itself ? 1 : 2;
  }

  Result<void> check_choices(std::string_view word, const json::value& choices, json::value& value,
                             const std::string& place) {
    int held = 0;
    std::optional<Error> nearest;
    json::value taken;
    for (const json::value& choice : choices.as_array()) {
      json::value copy = value;
      if (auto result = check(choice, copy, place); result) {
        if (held++ == 0) taken = std::move(copy);
      } else {
        if (!nearest || rank_of(result.error(), place) > rank_of(*nearest, place))
          nearest = std::move(result.error());
      }
    }
    if (held == 0) return std::unexpected(*nearest);
    if (held > 1 && word == "oneOf") return fault(place, "fits more than one of the forms this may have");
    value = std::move(taken);
    return {};
  }

  Result<void> check_string(const json::object& rules, std::string_view text, const std::string& place) {
    const std::size_t length = code_points(text);
    if (const auto* most = rules.if_contains("maxLength"); most && length > std::size_t(most->as_int64())) {
      return fault(place, fmt::format("is longer than {} characters", most->as_int64()));
    }
    if (const auto* least = rules.if_contains("minLength");
        least && length < std::size_t(least->as_int64())) {
      return fault(place, fmt::format("is shorter than {} characters", least->as_int64()));
    }
    if (const auto* pattern = rules.if_contains("pattern")) {
      const Pattern& known = *pattern_of(pattern->as_string());
      if (!known.holds(text)) return fault(place, known.words);
    }
    if (const auto* format = rules.if_contains("format");
        format && *format != "uri" && !parse_rfc3339(text)) {
      return fault(place, "is not a time as in RFC 3339, for example 2026-11-22T10:00:00Z");
    }
    return {};
  }

  Result<void> check_number(const json::object& rules, const json::value& value, const std::string& place) {
    const double number = value.to_number<double>();
    if (!std::isfinite(number)) return fault(place, "is not a finite number");
    if (const auto* least = rules.if_contains("minimum"); least && number < least->to_number<double>()) {
      return fault(place, "is less than " + json::serialize(*least));
    }
    if (const auto* most = rules.if_contains("maximum"); most && number > most->to_number<double>()) {
      return fault(place, "is more than " + json::serialize(*most));
    }
    return {};
  }

  Result<void> check_array(const json::object& rules, json::array& array, const std::string& place) {
    if (const auto* most = rules.if_contains("maxItems");
        most && array.size() > std::size_t(most->as_int64())) {
      return fault(place, fmt::format("has more than {} elements", most->as_int64()));
    }
    if (const auto* least = rules.if_contains("minItems");
        least && array.size() < std::size_t(least->as_int64())) {
      return fault(place, fmt::format("has less than {} elements", least->as_int64()));
    }
    if (const auto* items = rules.if_contains("items")) {
      for (std::size_t i = 0; i < array.size(); ++i)
        TRY_VOID(check(*items, array[i], fmt::format("{}/{}", place, i)));
    }
    return {};
  }

  Result<void> check_object(const json::object& rules, json::object& object, const std::string& place) {
    if (const auto* least = rules.if_contains("minProperties");
        least && object.size() < std::size_t(least->as_int64())) {
      return fault(place, fmt::format("has less than {} members", least->as_int64()));
    }
    if (const auto* required = rules.if_contains("required")) {
      for (const json::value& name : required->as_array()) {
        if (!object.contains(name.as_string())) {
          return fault(place, fmt::format("{}{}", kLacksMember, std::string_view(name.as_string())));
        }
      }
    }
    const auto* known = rules.if_contains("properties");
    const auto* other = rules.if_contains("additionalProperties");
    for (auto& member : object) {
      const std::string here = fmt::format("{}/{}", place, std::string_view(member.key()));
      const auto* schema = known ? known->as_object().if_contains(member.key()) : nullptr;
      if (!schema && other && *other == false) return fault(here, kUnknownMember);
      if (!schema && other && other->is_object()) schema = other;
      if (schema) TRY_VOID(check(*schema, member.value(), here));
    }
    return {};
  }

  const Schemas& schemas_;
};

Result<void> lint_at(const Schemas& schemas, const json::value& schema, const std::string& place) {
  if (!schema.is_object()) return fault(place, "a schema is an object");
  for (const auto& member : schema.get_object()) {
    const std::string_view word = member.key();
    const json::value& rule = member.value();
    if (std::ranges::find(kKeywords, word) == kKeywords.end())
      return fault(place, fmt::format("keyword {} is not known", word));
    if (word == "$ref") {
      const std::string_view target = rule.as_string();
      if (!target.starts_with(kRefPrefix) || !schemas.find(target.substr(kRefPrefix.size()))) {
        return fault(place, fmt::format("{} leads nowhere", target));
      }
    }
    if (word == "pattern" && !pattern_of(rule.as_string())) {
      return fault(place, fmt::format("pattern {} is not in the table of patterns",
                                      std::string_view(rule.as_string())));
    }
    if (word == "items" || (word == "additionalProperties" && rule.is_object())) {
      TRY_VOID(lint_at(schemas, rule, fmt::format("{}/{}", place, word)));
    }
    if (word == "properties") {
      for (const auto& property : rule.as_object()) {
        TRY_VOID(lint_at(schemas, property.value(),
                         fmt::format("{}/{}", place, std::string_view(property.key()))));
      }
    }
    if (word == "oneOf" || word == "anyOf") {
      for (const json::value& choice : rule.as_array()) TRY_VOID(lint_at(schemas, choice, place));
    }
  }
  return {};
}

}  // namespace

Result<Schemas> Schemas::create(std::string_view text) {
  boost::system::error_code bad;
  json::value parsed = json::parse(text, bad);
  if (bad || !parsed.is_object()) return fault("", "the schemas are not one JSON object");
  Schemas schemas;
  schemas.all_ = std::move(parsed.get_object());
  for (const auto& member : schemas.all_)
    TRY_VOID(lint_at(schemas, member.value(), std::string(member.key())));
  return schemas;
}

Result<void> Schemas::check(const json::value& schema, json::value& value) const {
  return Checker(*this).check(schema, value, "");
}

Result<void> Schemas::lint(const json::value& schema) const { return lint_at(*this, schema, ""); }

}  // namespace millrace::api
