// Text scan: how much of a text needs no closer look, sixteen bytes at a time where the processor can.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <string_view>

#ifdef __SSE2__  // every x86-64 has it; elsewhere the tables do all of it
#include <emmintrin.h>
#endif

namespace millrace::host {

namespace scan {

/// Bytes that stand for themselves in a JSON string: 0x20 to 0x7E but '"' and '\'.
inline constexpr auto kPlainJson = [] {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x7F; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

}  // namespace scan

/// Length of the longest start of `text` that stands for itself in a JSON string, in the narrow sense of kPlainJson.
inline std::size_t plain_json_length(std::string_view text) {
  std::size_t at = 0;
#ifdef __SSE2__
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    // As signed numbers, control bytes and those above 0x7F are all below the blank.
    const __m128i special = _mm_or_si128(
        _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)), _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7F))),
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
    if (const int found = _mm_movemask_epi8(special); found != 0) {
      return at + static_cast<std::size_t>(std::countr_zero(static_cast<unsigned>(found)));
    }
  }
#endif
  while (at < text.size() && scan::kPlainJson[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

}  // namespace millrace::host
