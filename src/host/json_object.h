// JsonObject: reads the members of a JSON object by type, with errors that name the member's full path.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::host {

/// A view: the value must outlive it. Every error is kInvalidArgument and names the member, e.g.
/// "limits.concurrency: want an integer, found a string". The readers named optional_* answer nullopt where the
/// member is absent or null; required_* answer an error then.
class JsonObject {
 public:
  /// `path` names the value in errors; empty for the outermost.
  static Result<JsonObject> of(const boost::json::value& value, std::string path = {});
  explicit JsonObject(const boost::json::object& object, std::string path = {})
      : object_(&object), path_(std::move(path)) {}

  /// The member, nullptr if absent.
  const boost::json::value* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }

  Result<std::string> required_string(std::string_view key) const;
  Result<std::int64_t> required_int(std::string_view key) const;
  Result<bool> required_bool(std::string_view key) const;
  Result<double> required_double(std::string_view key) const;
  Result<JsonObject> required_object(std::string_view key) const;
  Result<const boost::json::array*> required_array(std::string_view key) const;

  Result<std::optional<std::string>> optional_string(std::string_view key) const;
  Result<std::optional<std::int64_t>> optional_int(std::string_view key) const;
  Result<std::optional<bool>> optional_bool(std::string_view key) const;
  /// Integers count as doubles too.
  Result<std::optional<double>> optional_double(std::string_view key) const;
  Result<std::optional<JsonObject>> optional_object(std::string_view key) const;
  /// nullptr where the member is absent or null.
  Result<const boost::json::array*> optional_array(std::string_view key) const;

  /// Error if there is a member not among `known`; it names the first one.
  Result<void> check_no_unknown(std::initializer_list<std::string_view> known) const;

  const boost::json::object& object() const { return *object_; }
  /// "limits.concurrency" for the member `key` of this object.
  std::string path_of(std::string_view key) const;

 private:
  const boost::json::value* find_set(std::string_view key) const;
  std::unexpected<Error> wrong(std::string_view key, std::string_view wanted) const;
  std::unexpected<Error> missing(std::string_view key) const;
  template <typename T>
  Result<T> require(std::string_view key, Result<std::optional<T>> found) const;

  const boost::json::object* object_;
  std::string path_;
};

}  // namespace millrace::host
