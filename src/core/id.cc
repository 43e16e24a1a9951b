#include "core/id.h"

#include <array>

namespace millrace {

std::string make_id(std::string_view prefix, TimePoint now, Rng& rng) {
  constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const auto ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
  std::array<char, 26> text;
  for (std::size_t i = 0; i < 10; ++i) text[i] = kAlphabet[(ms >> (45 - 5 * i)) & 31];
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i % 8 == 0) bits = rng.next();
    text[10 + i] = kAlphabet[bits & 31];
    bits >>= 5;
  }
  std::string id;
  id.reserve(prefix.size() + 1 + text.size());
  id.append(prefix).append("_").append(text.data(), text.size());
  return id;
}

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (!alphanumeric(text.front()) || !alphanumeric(text.back())) return false;
  for (const char c : text) {
    if (!alphanumeric(c) && c != '.' && c != '-') return false;
  }
  return true;
}

}  // namespace millrace
