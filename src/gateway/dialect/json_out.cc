#include "gateway/dialect/json_out.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/short_text.h"
#include "host/json_writer.h"
#include "ledger/usage_json.h"

namespace millrace::gateway::dialect {
namespace {

/// Members with numbers.
class NumberFields {
 public:
  NumberFields& field(std::string_view name, std::int64_t value) {
    text_.add(name);
    text_.add(value);
    return *this;
  }
  void end(std::string_view close) { text_.add(close); }
  void append_to(std::string& out) const { out += text_.view(); }

 private:
  ShortText<320> text_;  // five numbers and their names
};

/// The ledger's decimal, without needless zeros.
void append_millionths_or_null(std::string& out, std::optional<std::int64_t> millionths) {
  if (!millionths) {
    out += "null";
    return;
  }
  const std::string decimal = ledger::decimal_of_millionths(*millionths);
  const auto last = decimal.find_last_not_of('0');  // there always is one: the point at the least
  out.append(decimal, 0, decimal[last] == '.' ? last : last + 1);
}

void append_footprint(std::string& out, const Footprint& footprint) {
  out += R"(,"millrace":{"energy_j":)";
  append_millionths_or_null(out, footprint.energy_uj);
  out += R"(,"co2e_g":)";
  append_millionths_or_null(out, footprint.co2e_ug);
  out += R"(,"cost_eur":)";
  append_millionths_or_null(out, footprint.cost_microeur);
  out += R"(,"site":)";
  append_quoted(out, footprint.site);
  out += R"(,"zone":)";
  append_quoted(out, footprint.zone);
  out += R"(,"basis":)";
  append_quoted(out, footprint.basis);
  out += "}}";
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) { host::append_json_string(out, text); }

void append_quoted_or_null(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += "null";
  } else {
    append_quoted(out, text);
  }
}

void append_number(std::string& out, std::int64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

void append_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::array<char, 64> digits;
  // Figures of money and energy are small: they stay readable without an exponent.
  const double magnitude = std::fabs(value);
  const bool plain = value == 0 || (magnitude >= 1e-12 && magnitude < 1e15);
  const auto result =
      plain ? std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed)
            : std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), result.ptr);
}

void append_usage(std::string& out, UsageShape shape, const engine::Usage& usage,
                  const Footprint& footprint) {
  NumberFields numbers;
  switch (shape) {
    case UsageShape::kOpenAiChat:
      numbers.field(R"({"prompt_tokens":)", usage.input)
          .field(R"(,"completion_tokens":)", usage.output)
          .field(R"(,"total_tokens":)", usage.input + usage.output)
          .field(R"(,"prompt_tokens_details":{"cached_tokens":)", usage.cached)
          .field(R"(},"completion_tokens_details":{"reasoning_tokens":)", usage.reasoning)
          .end("}");
      break;
    case UsageShape::kOpenAiEmbeddings:
      numbers.field(R"({"prompt_tokens":)", usage.input)
          .field(R"(,"total_tokens":)", usage.input + usage.output);
      break;
    case UsageShape::kOpenAiResponses:
      numbers.field(R"({"input_tokens":)", usage.input)
          .field(R"(,"input_tokens_details":{"cached_tokens":)", usage.cached)
          .field(R"(},"output_tokens":)", usage.output)
          .field(R"(,"output_tokens_details":{"reasoning_tokens":)", usage.reasoning)
          .field(R"(},"total_tokens":)", usage.input + usage.output);
      break;
    case UsageShape::kAnthropic:
      numbers.field(R"({"input_tokens":)", std::max<std::int64_t>(0, usage.input - usage.cached))
          .field(R"(,"cache_creation_input_tokens":0,"cache_read_input_tokens":)", usage.cached)
          .field(R"(,"output_tokens":)", usage.output);
      break;
  }
  numbers.append_to(out);
  append_footprint(out, footprint);
}

std::string object_id(std::string_view prefix, std::string_view request_id) {
  constexpr std::string_view kRequestPrefix = "req_";
  if (request_id.starts_with(kRequestPrefix)) request_id.remove_prefix(kRequestPrefix.size());
  std::string id;
  id.reserve(prefix.size() + request_id.size());
  id.append(prefix).append(request_id);
  return id;
}

}  // namespace millrace::gateway::dialect
