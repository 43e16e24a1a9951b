// Character classes of HTTP (RFC 9110, 5.5 and 5.6.2) as one table look-up each. Private to net.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#ifdef __SSE2__  // every x86-64 has it; elsewhere the table does all of it
#include <emmintrin.h>
#endif

namespace millrace::net {

namespace chars {
inline constexpr std::uint8_t kToken = 1;
inline constexpr std::uint8_t kField = 2;
inline constexpr std::uint8_t kHost = 4;
inline constexpr std::uint8_t kHex = 8;

constexpr std::array<std::uint8_t, 256> make_table() {
  std::array<std::uint8_t, 256> table{};
  const auto add = [&table](std::string_view text, std::uint8_t bit) {
    for (const char c : text) table[static_cast<unsigned char>(c)] |= bit;
  };
  constexpr std::string_view kAlnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  add(kAlnum, kToken | kHost);
  add("!#$%&'*+-.^_`|~", kToken);
  add("-._~!$&'()*+,;=", kHost);  // unreserved and sub-delims of RFC 3986
  add("0123456789abcdefABCDEF", kHex);
  for (unsigned c = 0x20; c < 256; ++c) {
    if (c != 0x7f) table[c] |= kField;
  }
  table['\t'] |= kField;
  return table;
}
inline constexpr auto kTable = make_table();
}  // namespace chars

constexpr bool is_token_char(char c) {
  return (chars::kTable[static_cast<unsigned char>(c)] & chars::kToken) != 0;
}
/// Length of the longest start of `text` that is a token.
inline std::size_t token_length(std::string_view text) {
  std::size_t at = 0;
#ifdef __SSE2__
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const auto within = [](__m128i of, char first, char last) {
      return _mm_cmpeq_epi8(_mm_subs_epu8(_mm_sub_epi8(of, _mm_set1_epi8(first)),
                                          _mm_set1_epi8(static_cast<char>(last - first))),
                            _mm_setzero_si128());
    };
    // Letters, digits and '-' are what names are made of; the table knows the rare others.
    const __m128i usual = _mm_or_si128(
        _mm_or_si128(within(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z'), within(bytes, '0', '9')),
        _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
    if (const auto mask = static_cast<unsigned>(_mm_movemask_epi8(usual)); mask != 0xFFFF) {
      at += static_cast<std::size_t>(std::countr_one(mask));
      break;
    }
  }
#endif
  while (at < text.size() && is_token_char(text[at])) ++at;
  return at;
}
/// True if `text` may be a header's name.
inline bool is_token(std::string_view text) { return !text.empty() && token_length(text) == text.size(); }
constexpr bool is_field_char(char c) {
  return (chars::kTable[static_cast<unsigned char>(c)] & chars::kField) != 0;
}
/// True if all of `text` may stand in a field value. Without an early end, so that it is done many bytes at a time.
constexpr bool is_field_text(std::string_view text) {
  bool bad = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    bad |= (byte < 0x20 && byte != '\t') || byte == 0x7f;
  }
  return !bad;
}
/// Length of the longest start of `text` that may stand in a field value.
inline std::size_t field_text_length(std::string_view text) {
  std::size_t at = 0;
#ifdef __SSE2__
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    // Unsigned: a byte is below 0x20 if it is its own minimum with 0x1f.
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    const __m128i special =
        _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')), control),
                     _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
    if (const int found = _mm_movemask_epi8(special); found != 0) {
      return at + static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(found)));
    }
  }
#endif
  while (at < text.size() && is_field_char(text[at])) ++at;
  return at;
}
constexpr bool is_host_char(char c) {
  return (chars::kTable[static_cast<unsigned char>(c)] & chars::kHost) != 0;
}
constexpr bool is_hex(char c) { return (chars::kTable[static_cast<unsigned char>(c)] & chars::kHex) != 0; }

}  // namespace millrace::net
