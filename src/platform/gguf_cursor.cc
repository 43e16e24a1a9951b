#include "platform/gguf_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace millrace::platform {
namespace {
constexpr std::uint64_t kPieceBytes = 256 << 10;
}  // namespace

std::unexpected<Error> GgufCursor::corrupt(std::string_view message) const {
  return failure(ErrorCode::kCorrupt, fmt::format("GGUF byte {}, {}: {}", begun_, what_, message));
}

Result<void> GgufCursor::need(std::uint64_t bytes) {
  if (bytes > file_bytes() - offset_) {
    return corrupt(
        fmt::format("needs {} more bytes, but the file ends after {}", bytes, file_bytes() - offset_));
  }
  if (bytes > limits_.max_header_bytes - offset_) {
    return corrupt(fmt::format("the header is longer than {} bytes", limits_.max_header_bytes));
  }
  return {};
}

Result<void> GgufCursor::take(char* out, std::uint64_t bytes) {
  TRY_VOID(need(bytes));
  while (bytes > 0) {
    if (offset_ < buffer_start_ || offset_ >= buffer_start_ + buffer_.size()) {
      buffer_.resize(std::min(kPieceBytes, file_bytes() - offset_));
      buffer_start_ = offset_;
      TRY_VOID(source_.read(offset_, buffer_));
    }
    const std::uint64_t have = std::min(bytes, buffer_start_ + buffer_.size() - offset_);
    std::memcpy(out, buffer_.data() + (offset_ - buffer_start_), have);
    out += have;
    offset_ += have;
    bytes -= have;
  }
  return {};
}

Result<std::uint64_t> GgufCursor::unsigned_of(std::uint64_t bytes) {
  begun_ = offset_;
  unsigned char raw[8] = {};
  TRY_VOID(take(reinterpret_cast<char*>(raw), std::min<std::uint64_t>(bytes, sizeof raw)));
  std::uint64_t value = 0;
  for (std::size_t i = sizeof raw; i-- > 0;) value = value << 8 | raw[i];
  return value;
}

Result<std::uint8_t> GgufCursor::u8() { return static_cast<std::uint8_t>(TRY(unsigned_of(1))); }
Result<std::uint32_t> GgufCursor::u32() { return static_cast<std::uint32_t>(TRY(unsigned_of(4))); }
Result<std::uint64_t> GgufCursor::u64() { return unsigned_of(8); }

Result<std::uint64_t> GgufCursor::string_length(std::uint64_t max_bytes) {
  const std::uint64_t length = TRY(u64());
  if (length > file_bytes() - offset_) {
    return corrupt(
        fmt::format("string of {} bytes, but the file ends after {}", length, file_bytes() - offset_));
  }
  if (length > max_bytes) {
    return corrupt(fmt::format("string of {} bytes is longer than the {} allowed", length, max_bytes));
  }
  return length;
}

Result<std::string> GgufCursor::string(std::uint64_t max_bytes) {
  const std::uint64_t length = TRY(string_length(max_bytes));
  std::string text(length, '\0');
  TRY_VOID(take(text.data(), length));
  return text;
}

Result<void> GgufCursor::skip_string(std::uint64_t max_bytes) {
  const std::uint64_t length = TRY(string_length(max_bytes));
  return skip(length, 1);
}

Result<void> GgufCursor::skip(std::uint64_t count, std::uint64_t bytes) {
  if (bytes != 0 && count > (file_bytes() - offset_) / bytes) {
    return corrupt(fmt::format("{} values of {} bytes, but the file ends after {}", count, bytes,
                               file_bytes() - offset_));
  }
  TRY_VOID(need(count * bytes));
  offset_ += count * bytes;
  return {};
}

}  // namespace millrace::platform
