// JsonWriter: builds JSON text by appending; no tree in between.
#pragma once

#include <boost/json/fwd.hpp>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::host {

/// Appends `text` as a JSON string, with its quotes. `text` must be UTF-8; bytes that are not are written as U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// `text` as a JSON string, with its quotes.
std::string quote_json(std::string_view text);

/// Appends the shortest text that reads back as the same double, never as an integer ("1.0"); NaN and infinities become null.
void append_json_number(std::string& out, double value);

/// Call order makes the text: the caller keeps begin/end balanced and writes a key before each value of an object.
/// Example: JsonWriter w; w.begin_object().field("id", id).key("data").begin_array().value(1).end_array().end_object();
class JsonWriter {
 public:
  JsonWriter() = default;
  /// Goes on after what `buffer` holds already (its capacity is reused).
  explicit JsonWriter(std::string buffer) : text_(std::move(buffer)) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name) {
    separate();
    append_json_string(text_, name);
    text_.push_back(':');
    first_ = true;
    return *this;
  }

  JsonWriter& value(std::string_view text) {
    separate();
    append_json_string(text_, text);
    return *this;
  }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool truth) { return raw(truth ? "true" : "false"); }
  JsonWriter& value(double number) {
    separate();
    append_json_number(text_, number);
    return *this;
  }
  template <std::integral Integer>
    requires(!std::same_as<Integer, bool> && !std::same_as<Integer, char>)
  JsonWriter& value(Integer number) {
    if constexpr (std::is_signed_v<Integer>) {
      return integer(static_cast<std::int64_t>(number));
    } else {
      return unsigned_integer(static_cast<std::uint64_t>(number));
    }
  }
  JsonWriter& null() { return raw("null"); }
  /// The optional's value, or null.
  template <typename T>
  JsonWriter& value(const std::optional<T>& maybe) {
    return maybe ? value(*maybe) : null();
  }
  JsonWriter& value(const boost::json::value& tree);
  /// Text that is JSON already.
  JsonWriter& raw(std::string_view json) {
    separate();
    text_.append(json);
    return *this;
  }
  /// key(name).value(what)
  template <typename T>
  JsonWriter& field(std::string_view name, const T& what) {
    return key(name).value(what);
  }

  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  JsonWriter& open(char bracket) {
    separate();
    text_.push_back(bracket);
    first_ = true;
    return *this;
  }
  JsonWriter& close(char bracket) {
    text_.push_back(bracket);
    first_ = false;
    return *this;
  }
  void separate() {
    if (!first_) text_.push_back(',');
    first_ = false;
  }
  JsonWriter& integer(std::int64_t number);
  JsonWriter& unsigned_integer(std::uint64_t number);

  std::string text_;
  bool first_ = true;  // nothing was written yet at this place that a comma must follow
};

}  // namespace millrace::host
