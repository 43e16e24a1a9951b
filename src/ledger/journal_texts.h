// Texts in a journal's fixed room: cut to their longest, one after another, lengths beside them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace::ledger {

/// The longest start of `text` of at most `max` bytes that does not end inside a character.
inline std::string_view cut_at_character(std::string_view text, std::size_t max) {
  if (text.size() <= max) return text;
  while (max > 0 && (static_cast<unsigned char>(text[max]) & 0xC0) == 0x80) --max;
  return text.substr(0, max);
}

/// `room` holds the sum of `longest`.
template <std::size_t Count, std::size_t Bytes>
void write_texts(const std::array<std::string_view, Count>& texts,
                 const std::array<std::uint8_t, Count>& longest, std::array<std::uint8_t, Count>& lengths,
                 std::array<char, Bytes>& room) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < Count; ++i) {
    const auto text = cut_at_character(texts[i], longest[i]);
    lengths[i] = static_cast<std::uint8_t>(text.size());
    at += text.copy(room.data() + at, text.size());  // not memcpy: an empty view's data may be null
  }
}

}  // namespace millrace::ledger
