#include "host/base64.h"

#include <cstdint>

namespace millrace::host {
namespace {

std::string encode(std::string_view bytes, std::string_view alphabet, bool padded) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  const auto byte = [&](std::size_t at) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at]));
  };
  std::size_t at = 0;
  for (; at + 3 <= bytes.size(); at += 3) {
    const std::uint32_t group = byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2);
    for (const unsigned shift : {18U, 12U, 6U, 0U}) text.push_back(alphabet[group >> shift & 63]);
  }
  const std::size_t rest = bytes.size() - at;
  if (rest == 0) return text;
  const std::uint32_t group = byte(at) << 16 | (rest == 2 ? byte(at + 1) << 8 : 0);
  text.push_back(alphabet[group >> 18 & 63]);
  text.push_back(alphabet[group >> 12 & 63]);
  if (rest == 2) text.push_back(alphabet[group >> 6 & 63]);
  if (padded) text.append(3 - rest, '=');
  return text;
}

}  // namespace

std::string base64(std::string_view bytes) {
  return encode(bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true);
}

std::string base64_url(std::string_view bytes) {
  return encode(bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false);
}

}  // namespace millrace::host
