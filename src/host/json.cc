#include "host/json.h"

#include <fmt/format.h>

#include <charconv>
#include <system_error>

#include "host/json_grammar.h"

namespace millrace::host {
namespace {

namespace json = boost::json;

constexpr std::size_t kFirstCapacity = 4;

/// Makes Boost.JSON's tree. A place stays good while the values inside it are read.
class TreeBuilder {
 public:
  using Place = json::value*;

  static json::object* begin_object(Place to) { return &to->emplace_object(); }
  static json::array* begin_array(Place to) { return &to->emplace_array(); }
  static void end(const void* /*container*/, std::string_view /*text*/) {}

  static Place member(json::object* of, std::string_view key, bool /*lasting*/, bool& doubled) {
    if (of->capacity() == 0) of->reserve(kFirstCapacity);
    const auto [member, is_new] = of->emplace(json::string_view(key.data(), key.size()), nullptr);
    doubled = !is_new;
    return &member->value();
  }
  static Place item(json::array* of) {
    if (of->capacity() == 0) of->reserve(kFirstCapacity);
    return &of->emplace_back(nullptr);
  }

  static void string(Place to, std::string_view text, bool /*lasting*/) {
    to->emplace_string().assign(text.data(), text.size());
  }
  static void word(Place to, JsonWord word) {
    if (word == JsonWord::kNull) {
      *to = nullptr;
    } else {
      *to = word == JsonWord::kTrue;
    }
  }
  static bool number(Place to, std::string_view text, bool integral) {
    if (integral && integer(to, text)) return true;
    double value = 0;
    if (!read_json_double(text, value)) return false;
    *to = value;
    return true;
  }

 private:
  static bool integer(Place to, std::string_view text) {
    const char* last = text.data() + text.size();
    const bool negative = text.front() == '-';
    std::int64_t value = 0;
    if (std::from_chars(text.data(), last, value).ec == std::errc{}) {
      // -0 stays a double: as an integer its sign would be lost.
      if (negative && value == 0) return false;
      *to = value;
      return true;
    }
    std::uint64_t large = 0;
    if (negative || std::from_chars(text.data(), last, large).ec != std::errc{}) return false;
    *to = large;
    return true;
  }
};

}  // namespace

Result<boost::json::value> parse_json(std::string_view text, const JsonLimits& limits,
                                      boost::json::storage_ptr storage) {
  if (text.size() > limits.max_bytes) {
    return failure(ErrorCode::kExhausted, fmt::format("JSON: longer than {} bytes", limits.max_bytes));
  }
  json::value result(std::move(storage));
  TreeBuilder builder;
  TRY_VOID(JsonGrammar(text, limits, builder).read(&result));
  return result;
}

}  // namespace millrace::host
