#include "engine/wire/embedding.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/wire/json.h"

namespace millrace::engine::wire {
namespace {

namespace json = boost::json;

constexpr std::uint8_t kNoDigit = 0xFF;

constexpr std::array<std::uint8_t, 256> kDigits = [] {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t at = 0; at < kAlphabet.size(); ++at) {
    digits[static_cast<unsigned char>(kAlphabet[at])] = static_cast<std::uint8_t>(at);
  }
  return digits;
}();

std::unexpected<Error> broken(const char* why) {
  return failure(ErrorCode::kCorrupt, std::string("the engine sent an embedding ") + why);
}

Result<std::vector<float>> from_base64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::vector<float> values;
  values.reserve(text.size() * 3 / 16 + 1);
  std::uint32_t bits = 0;
  int held = 0;
  std::uint32_t word = 0;
  int bytes = 0;
  for (const char c : text) {
    const std::uint8_t digit = kDigits[static_cast<unsigned char>(c)];
    if (digit == kNoDigit) return broken("that is no base64");
    bits = bits << 6 | digit;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    word |= (bits >> held & 0xFF) << (8 * bytes);
    if (++bytes < 4) continue;
    values.push_back(std::bit_cast<float>(word));
    word = 0;
    bytes = 0;
  }
  if (bytes != 0) return broken("whose bytes are no whole numbers");
  return values;
}

}  // namespace

Result<std::vector<float>> read_embedding(const json::value& value) {
  std::vector<float> values;
  if (const json::string* text = value.if_string()) {
    values = TRY(from_base64(view(*text)));
  } else if (const json::array* numbers = value.if_array()) {
    values.reserve(numbers->size());
    for (const json::value& number : *numbers) {
      boost::system::error_code problem;
      const double wide = number.to_number<double>(problem);
      if (problem) return broken("that holds something else than numbers");
      values.push_back(static_cast<float>(wide));
    }
  }
  if (values.empty()) return broken("without values");
  for (const float one : values) {
    if (!std::isfinite(one)) return broken("with a value that is not finite");
  }
  return values;
}

}  // namespace millrace::engine::wire
