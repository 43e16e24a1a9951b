// JsonGrammar: the strict grammar behind parse_json and JsonTree, once for both. Internal to host.
#pragma once

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

#include "core/result.h"
#include "host/json.h"
#include "host/json_writer.h"
#include "host/text_scan.h"
#include "host/utf8.h"

namespace millrace::host {

enum class JsonWord : std::uint8_t { kNull, kFalse, kTrue };

/// The nearest double to a number of JSON's grammar; false if it is beyond a double's range.
inline bool read_json_double(std::string_view text, double& value) {
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{}) return true;
  // from_chars does not tell an overflow from an underflow; the C function does (rare, so its copy is no matter).
  value = std::strtod(std::string(text).c_str(), nullptr);
  return std::isfinite(value);
}

/// What is made of a text is the builder's: it is told of each value in the order of the text. A place is where a value
/// goes; strings that the builder is given without `lasting` are gone after the call, the others are part of the text.
///
///   Place member(Object& of, string_view key, bool lasting, bool& doubled);   Place item(Array& of);
///   Object begin_object(Place);   Array begin_array(Place);   void end(Object&, string_view its_text);   // or Array&
///   void string(Place, string_view, bool lasting);   void word(Place, JsonWord);
///   bool number(Place, string_view, bool integral);   // false: beyond the range of a double
///
/// Recursive descent; recursion is bounded by max_depth. A function that answers false has set error_.
template <typename Builder>
class JsonGrammar {
 public:
  using Place = typename Builder::Place;

  JsonGrammar(std::string_view text, const JsonLimits& limits, Builder& builder)
      : text_(text), limits_(limits), builder_(builder) {}

  Result<void> read(const Place& root) {
    skip_space();
    if (!read_value(root, 0)) return error();
    skip_space();
    if (at_ == text_.size()) return {};
    fail("more text after the value");
    return error();
  }

 private:
  std::unexpected<Error> error() const {
    return failure(ErrorCode::kInvalidArgument, fmt::format("JSON: {} at byte {}", error_, at_));
  }
  bool fail(std::string message) {
    error_ = std::move(message);
    return false;
  }
  bool fail_unexpected(std::string_view wanted) {
    return fail(fmt::format("want {}{}", wanted, at_ == text_.size() ? ", but the text ends" : ""));
  }

  bool more() const { return at_ < text_.size(); }
  void skip_space() {
    while (more() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }
  bool take(char c) {
    if (!more() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool read_value(const Place& to, std::size_t depth) {
    if (!more()) return fail_unexpected("a value");
    switch (text_[at_]) {
      case '{':
        return read_object(to, depth);
      case '[':
        return read_array(to, depth);
      case '"': {
        std::string_view text;
        bool escaped = false;
        if (!read_string(text, escaped)) return false;
        builder_.string(to, text, !escaped);
        return true;
      }
      case 't':
        return read_word("true", to, JsonWord::kTrue);
      case 'f':
        return read_word("false", to, JsonWord::kFalse);
      case 'n':
        return read_word("null", to, JsonWord::kNull);
      default:
        return read_number(to);
    }
  }

  bool read_word(std::string_view word, const Place& to, JsonWord value) {
    if (text_.substr(at_, word.size()) != word) return fail_unexpected("a value");
    at_ += word.size();
    builder_.word(to, value);
    return true;
  }

  bool read_array(const Place& to, std::size_t depth) {
    if (depth == limits_.max_depth) return fail(fmt::format("nested deeper than {}", limits_.max_depth));
    const std::size_t start = at_++;
    auto array = builder_.begin_array(to);
    skip_space();
    if (!take(']')) {
      while (true) {
        if (!read_value(builder_.item(array), depth + 1)) return false;
        skip_space();
        if (take(']')) break;
        if (!take(',')) return fail_unexpected("',' or ']'");
        skip_space();
      }
    }
    builder_.end(array, text_.substr(start, at_ - start));
    return true;
  }

  bool read_object(const Place& to, std::size_t depth) {
    if (depth == limits_.max_depth) return fail(fmt::format("nested deeper than {}", limits_.max_depth));
    const std::size_t start = at_++;
    auto object = builder_.begin_object(to);
    skip_space();
    if (!take('}')) {
      while (true) {
        if (!read_member(object, depth)) return false;
        skip_space();
        if (take('}')) break;
        if (!take(',')) return fail_unexpected("',' or '}'");
        skip_space();
      }
    }
    builder_.end(object, text_.substr(start, at_ - start));
    return true;
  }

  bool read_member(auto& object, std::size_t depth) {
    const std::size_t start = at_;
    if (!more() || text_[at_] != '"') return fail_unexpected("a key in quotes");
    std::string_view key;
    bool escaped = false;
    if (!read_string(key, escaped)) return false;
    bool doubled = false;
    const Place member = builder_.member(object, key, !escaped, doubled);
    if (doubled && limits_.refuse_doubled_keys) {
      std::string quoted = quote_json(key.substr(0, 64));
      at_ = start;
      return fail(fmt::format("the key {} is there twice", quoted));
    }
    skip_space();
    if (!take(':')) return fail_unexpected("':'");
    skip_space();
    return read_value(member, depth + 1);
  }

  /// `to` points into the text where there is no escape, else into decoded_; it is good until the next call.
  bool read_string(std::string_view& to, bool& escaped) {
    const std::size_t start = ++at_;
    std::size_t copied = start;  // everything before it is in decoded_
    while (true) {
      at_ += plain_json_length(text_.substr(at_));
      if (!more()) return fail_unexpected("'\"'");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        to = text_.substr(copied, at_ - copied);
        if (escaped) to = decoded_.append(to);
        ++at_;
        return true;
      }
      if (c < 0x20) return fail("a control character in a string");
      if (c != '\\') {
        const std::size_t length = utf8_length(text_.substr(at_));
        if (length == 0) return fail("bytes that are not UTF-8");
        at_ += length;
        continue;
      }
      if (!escaped) decoded_.clear();
      escaped = true;
      decoded_.append(text_.substr(copied, at_ - copied));
      if (!read_escape()) return false;
      copied = at_;
    }
  }

  bool read_escape() {
    ++at_;
    if (!more()) return fail_unexpected("an escape");
    const char c = text_[at_++];
    switch (c) {
      case '"':
      case '\\':
      case '/':
        decoded_.push_back(c);
        return true;
      case 'b':
        decoded_.push_back('\b');
        return true;
      case 'f':
        decoded_.push_back('\f');
        return true;
      case 'n':
        decoded_.push_back('\n');
        return true;
      case 'r':
        decoded_.push_back('\r');
        return true;
      case 't':
        decoded_.push_back('\t');
        return true;
      case 'u':
        return read_code_point();
      default:
        --at_;
        return fail("an unknown escape");
    }
  }

  bool read_code_point() {
    unsigned code = 0;
    if (!read_hex(code)) return false;
    if (code >= 0xDC00 && code <= 0xDFFF) return fail("an escaped surrogate without its pair");
    if (code >= 0xD800 && code <= 0xDBFF) {
      unsigned low = 0;
      if (text_.substr(at_, 2) != "\\u") return fail("an escaped surrogate without its pair");
      at_ += 2;
      if (!read_hex(low)) return false;
      if (low < 0xDC00 || low > 0xDFFF) return fail("an escaped surrogate without its pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    const auto push = [&](unsigned byte) { decoded_.push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
      push(code);
    } else if (code < 0x800) {
      push(0xC0 | code >> 6);
      push(0x80 | (code & 63));
    } else if (code < 0x10000) {
      push(0xE0 | code >> 12);
      push(0x80 | (code >> 6 & 63));
      push(0x80 | (code & 63));
    } else {
      push(0xF0 | code >> 18);
      push(0x80 | (code >> 12 & 63));
      push(0x80 | (code >> 6 & 63));
      push(0x80 | (code & 63));
    }
    return true;
  }

  bool read_hex(unsigned& code) {
    const std::string_view digits = text_.substr(at_, 4);
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    // from_chars takes no sign for unsigned numbers, so four characters read are four digits.
    if (failed != std::errc{} || end != digits.data() + 4) return fail("an escape without four hex digits");
    at_ += 4;
    return true;
  }

  std::size_t skip_digits() {
    const std::size_t start = at_;
    while (more() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ - start;
  }

  bool read_number(const Place& to) {
    const std::size_t start = at_;
    take('-');
    const bool zero = more() && text_[at_] == '0';
    const std::size_t digits = skip_digits();
    if (digits == 0) {
      at_ = start;
      return fail_unexpected("a value");
    }
    if (zero && digits > 1) {
      at_ = start;
      return fail("a number with a leading zero");
    }
    bool integral = true;
    if (take('.')) {
      integral = false;
      if (skip_digits() == 0) return fail_unexpected("a digit");
    }
    if (more() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      integral = false;
      ++at_;
      if (!take('+')) take('-');
      if (skip_digits() == 0) return fail_unexpected("a digit");
    }
    if (builder_.number(to, text_.substr(start, at_ - start), integral)) return true;
    at_ = start;
    return fail("a number beyond the range of a double");
  }

  std::string_view text_;
  const JsonLimits& limits_;
  Builder& builder_;
  std::size_t at_ = 0;
  std::string decoded_;
  std::string error_;
};

}  // namespace millrace::host
