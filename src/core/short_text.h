// ShortText: a text of a few numbers and words, put together on the stack without an allocation or a call for each piece.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace {

/// At most `kRoom` bytes, which is to be enough for all that is added: a piece that does not fit is cut off. Pieces are in
/// place, so a view of one is good for as long as this is, and as nothing was cleared.
template <std::size_t kRoom>
class ShortText {
 public:
  /// A view of what was added.
  std::string_view add(std::string_view piece) {
    const std::size_t length = std::min(piece.size(), kRoom - size_);
    std::memcpy(bytes_.data() + size_, piece.data(), length);
    return take(length);
  }
  std::string_view add(std::int64_t number) {
    const auto [end, failed] = std::to_chars(bytes_.data() + size_, bytes_.data() + kRoom, number);
    return take(failed == std::errc{} ? static_cast<std::size_t>(end - bytes_.data()) - size_ : 0);
  }

  std::size_t size() const { return size_; }
  std::string_view view(std::size_t from = 0) const { return {bytes_.data() + from, size_ - from}; }
  void clear() { size_ = 0; }

 private:
  std::string_view take(std::size_t length) {
    size_ += length;
    return view(size_ - length);
  }

  std::array<char, kRoom> bytes_;
  std::size_t size_ = 0;
};

}  // namespace millrace
