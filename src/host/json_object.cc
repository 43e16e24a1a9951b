#include "host/json_object.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::host {
namespace {

namespace json = boost::json;

std::string_view kind_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
      return "an integer";
    case json::kind::double_:
      return "a number";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "something else";
}

}  // namespace

Result<JsonObject> JsonObject::of(const json::value& value, std::string path) {
  if (const auto* object = value.if_object()) return JsonObject(*object, std::move(path));
  return failure(ErrorCode::kInvalidArgument, fmt::format("{}want an object, found {}",
                                                          path.empty() ? "" : path + ": ", kind_name(value)));
}

std::string JsonObject::path_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

const json::value* JsonObject::find(std::string_view key) const {
  return object_->if_contains(json::string_view(key.data(), key.size()));
}

const json::value* JsonObject::find_set(std::string_view key) const {
  const auto* value = find(key);
  return value != nullptr && value->is_null() ? nullptr : value;
}

std::unexpected<Error> JsonObject::wrong(std::string_view key, std::string_view wanted) const {
  return failure(ErrorCode::kInvalidArgument,
                 fmt::format("{}: want {}, found {}", path_of(key), wanted, kind_name(*find(key))));
}

std::unexpected<Error> JsonObject::missing(std::string_view key) const {
  return failure(ErrorCode::kInvalidArgument, fmt::format("{}: is required", path_of(key)));
}

template <typename T>
Result<T> JsonObject::require(std::string_view key, Result<std::optional<T>> found) const {
  if (!found) return std::unexpected(std::move(found.error()));
  if (!*found) return missing(key);
  return *std::move(*found);
}

Result<std::optional<std::string>> JsonObject::optional_string(std::string_view key) const {
  const auto* value = find_set(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* text = value->if_string()) return std::string(text->data(), text->size());
  return wrong(key, "a string");
}

Result<std::optional<std::int64_t>> JsonObject::optional_int(std::string_view key) const {
  const auto* value = find_set(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* number = value->if_int64()) return *number;
  return wrong(key, value->is_uint64() ? "an integer below 2^63" : "an integer");
}

Result<std::optional<bool>> JsonObject::optional_bool(std::string_view key) const {
  const auto* value = find_set(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* truth = value->if_bool()) return *truth;
  return wrong(key, "a boolean");
}

Result<std::optional<double>> JsonObject::optional_double(std::string_view key) const {
  const auto* value = find_set(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return value->to_number<double>();
  return wrong(key, "a number");
}

Result<std::optional<JsonObject>> JsonObject::optional_object(std::string_view key) const {
  const auto* value = find_set(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* object = value->if_object()) return JsonObject(*object, path_of(key));
  return wrong(key, "an object");
}

Result<const json::array*> JsonObject::optional_array(std::string_view key) const {
  const auto* value = find_set(key);
  if (value == nullptr) return nullptr;
  if (const auto* array = value->if_array()) return array;
  return wrong(key, "an array");
}

Result<std::string> JsonObject::required_string(std::string_view key) const {
  return require(key, optional_string(key));
}
Result<std::int64_t> JsonObject::required_int(std::string_view key) const {
  return require(key, optional_int(key));
}
Result<bool> JsonObject::required_bool(std::string_view key) const {
  return require(key, optional_bool(key));
}
Result<double> JsonObject::required_double(std::string_view key) const {
  return require(key, optional_double(key));
}
Result<JsonObject> JsonObject::required_object(std::string_view key) const {
  return require(key, optional_object(key));
}
Result<const json::array*> JsonObject::required_array(std::string_view key) const {
  const auto* array = TRY(optional_array(key));
  if (array == nullptr) return missing(key);
  return array;
}

Result<void> JsonObject::check_no_unknown(std::initializer_list<std::string_view> known) const {
  for (const auto& member : *object_) {
    const std::string_view key(member.key().data(), member.key().size());
    if (std::ranges::find(known, key) == known.end()) {
      return failure(ErrorCode::kInvalidArgument,
                     fmt::format("{}: is not known here", path_of(key.substr(0, 64))));
    }
  }
  return {};
}

}  // namespace millrace::host
