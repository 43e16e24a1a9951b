#include "host/json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <system_error>

#include "host/text_scan.h"
#include "host/utf8.h"

namespace millrace::host {
namespace {

namespace json = boost::json;

constexpr std::size_t kFirstCapacity = 4;

/// Recursive descent over the text; recursion is bounded by max_depth. A function that answers false has set error_.
class Parser {
 public:
  Parser(std::string_view text, const JsonLimits& limits, json::storage_ptr storage)
      : text_(text), limits_(limits), storage_(std::move(storage)) {}

  Result<json::value> parse() {
    json::value result(storage_);
    skip_space();
    if (!read_value(result, 0)) return error();
    skip_space();
    if (at_ != text_.size()) {
      fail("more text after the value");
      return error();
    }
    return result;
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

  bool read_value(json::value& to, std::size_t depth) {
    if (!more()) return fail_unexpected("a value");
    switch (text_[at_]) {
      case '{':
        return read_object(to, depth);
      case '[':
        return read_array(to, depth);
      case '"': {
        std::string_view text;
        if (!read_string(text)) return false;
        to.emplace_string().assign(text.data(), text.size());
        return true;
      }
      case 't':
        return read_word("true", to, true);
      case 'f':
        return read_word("false", to, false);
      case 'n':
        return read_word("null", to, nullptr);
      default:
        return read_number(to);
    }
  }

  template <typename T>
  bool read_word(std::string_view word, json::value& to, T value) {
    if (text_.substr(at_, word.size()) != word) return fail_unexpected("a value");
    at_ += word.size();
    to = value;
    return true;
  }

  bool read_array(json::value& to, std::size_t depth) {
    if (depth == limits_.max_depth) return fail(fmt::format("nested deeper than {}", limits_.max_depth));
    ++at_;
    json::array& items = to.emplace_array();
    skip_space();
    if (take(']')) return true;
    items.reserve(kFirstCapacity);
    while (true) {
      if (!read_value(items.emplace_back(nullptr), depth + 1)) return false;
      skip_space();
      if (take(']')) return true;
      if (!take(',')) return fail_unexpected("',' or ']'");
      skip_space();
    }
  }

  bool read_object(json::value& to, std::size_t depth) {
    if (depth == limits_.max_depth) return fail(fmt::format("nested deeper than {}", limits_.max_depth));
    ++at_;
    json::object& members = to.emplace_object();
    skip_space();
    if (take('}')) return true;
    members.reserve(kFirstCapacity);
    while (true) {
      const std::size_t start = at_;
      if (!more() || text_[at_] != '"') return fail_unexpected("a key in quotes");
      std::string_view key;
      if (!read_string(key)) return false;
      const auto [member, is_new] = members.emplace(json::string_view(key.data(), key.size()), nullptr);
      if (!is_new && limits_.refuse_doubled_keys) {
        std::string quoted = quote_json(key.substr(0, 64));
        at_ = start;
        return fail(fmt::format("the key {} is there twice", quoted));
      }
      skip_space();
      if (!take(':')) return fail_unexpected("':'");
      skip_space();
      if (!read_value(member->value(), depth + 1)) return false;
      skip_space();
      if (take('}')) return true;
      if (!take(',')) return fail_unexpected("',' or '}'");
      skip_space();
    }
  }

  /// `to` points into the text where there is no escape, else into decoded_; it is good until the next call.
  bool read_string(std::string_view& to) {
    const std::size_t start = ++at_;
    decoded_.clear();
    std::size_t copied = start;  // everything before it is in decoded_
    bool escaped = false;
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

  bool read_number(json::value& to) {
    const std::size_t start = at_;
    const bool negative = take('-');
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
    const char* first = text_.data() + start;
    const char* last = text_.data() + at_;
    if (integral && read_integer(to, first, last, negative)) return true;
    double value = 0;
    if (std::from_chars(first, last, value).ec != std::errc{}) {
      // from_chars does not tell an overflow from an underflow; the C function does (rare, so its copy is no matter).
      value = std::strtod(std::string(first, last).c_str(), nullptr);
      if (!std::isfinite(value)) {
        at_ = start;
        return fail("a number beyond the range of a double");
      }
    }
    to = value;
    return true;
  }

  static bool read_integer(json::value& to, const char* first, const char* last, bool negative) {
    std::int64_t value = 0;
    if (std::from_chars(first, last, value).ec == std::errc{}) {
      // -0 stays a double: as an integer its sign would be lost.
      if (negative && value == 0) return false;
      to = value;
      return true;
    }
    std::uint64_t large = 0;
    if (negative || std::from_chars(first, last, large).ec != std::errc{}) return false;
    to = large;
    return true;
  }

  std::string_view text_;
  const JsonLimits& limits_;
  json::storage_ptr storage_;
  std::size_t at_ = 0;
  std::string decoded_;
  std::string error_;
};

}  // namespace

Result<boost::json::value> parse_json(std::string_view text, const JsonLimits& limits,
                                      boost::json::storage_ptr storage) {
  if (text.size() > limits.max_bytes) {
    return failure(ErrorCode::kExhausted, fmt::format("JSON: longer than {} bytes", limits.max_bytes));
  }
  return Parser(text, limits, std::move(storage)).parse();
}

}  // namespace millrace::host
