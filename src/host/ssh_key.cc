#include "host/ssh_key.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "host/base64.h"

namespace millrace::host {
namespace {

constexpr std::string_view kType = "ssh-ed25519";
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kLineMax = 16 * 1024;
constexpr std::size_t kArmourColumns = 70;
constexpr std::array<std::string_view, 7> kTypes = {"ssh-ed25519",
                                                    "ecdsa-sha2-nistp256",
                                                    "ecdsa-sha2-nistp384",
                                                    "ecdsa-sha2-nistp521",
                                                    "sk-ssh-ed25519@openssh.com",
                                                    "sk-ecdsa-sha2-nistp256@openssh.com",
                                                    "ssh-rsa"};

/// SSH's wire format (RFC 4251, section 5): 32 bits, big-endian.
void put_number(std::string& out, std::uint32_t number) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) out.push_back(static_cast<char>(number >> shift & 0xFF));
}

void put_text(std::string& out, std::string_view text) {
  put_number(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  const std::size_t length = text.size() - (text.ends_with("==") ? 2U : text.ends_with('=') ? 1U : 0U);
  for (const char c : text.substr(0, length)) {
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return out;
}

struct RawKey {
  std::string secret, open;  // 32 bytes each
};

Result<RawKey> make_raw() {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"),
                                                           EVP_PKEY_free);
  std::array<unsigned char, kKeyBytes> secret{}, open{};
  std::size_t secret_size = secret.size(), open_size = open.size();
  const bool made = key != nullptr &&
                    EVP_PKEY_get_raw_private_key(key.get(), secret.data(), &secret_size) == 1 &&
                    EVP_PKEY_get_raw_public_key(key.get(), open.data(), &open_size) == 1;
  if (!made) return failure(ErrorCode::kInternal, "OpenSSL made no Ed25519 key");
  return RawKey{std::string(reinterpret_cast<const char*>(secret.data()), secret_size),
                std::string(reinterpret_cast<const char*>(open.data()), open_size)};
}

/// OpenSSH's PROTOCOL.key, unencrypted.
std::string armoured(const RawKey& raw, std::string_view open_blob, std::string_view comment,
                     std::uint32_t check) {
  std::string inner;
  put_number(inner, check);  // twice: tells a wrong passphrase from a right one
  put_number(inner, check);
  put_text(inner, kType);
  put_text(inner, raw.open);
  put_text(inner, raw.secret + raw.open);
  put_text(inner, comment);
  for (char pad = 1; inner.size() % 8 != 0; ++pad) inner.push_back(pad);
  std::string whole("openssh-key-v1\0", 15);
  put_text(whole, "none");
  put_text(whole, "none");
  put_text(whole, "");
  put_number(whole, 1);
  put_text(whole, open_blob);
  put_text(whole, inner);
  const std::string text = base64(whole);
  std::string out = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
  for (std::size_t at = 0; at < text.size(); at += kArmourColumns) {
    out.append(text, at, kArmourColumns).push_back('\n');
  }
  return out + "-----END OPENSSH PRIVATE KEY-----\n";
}

}  // namespace

Result<SshKeyPair> make_ssh_key_pair(std::string_view comment) {
  auto raw = make_raw();
  if (!raw) return std::unexpected(std::move(raw.error()));
  std::uint32_t check = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&check), sizeof check) != 1) {
    return failure(ErrorCode::kInternal, "OpenSSL gave no random bytes");
  }
  std::string blob;
  put_text(blob, kType);
  put_text(blob, raw->open);
  return SshKeyPair{.private_key = armoured(*raw, blob, comment, check),
                    .public_key = std::string(kType) + " " + base64(blob) + " " + std::string(comment)};
}

Result<std::string> check_ssh_public_key(std::string_view line) {
  const auto wrong = [](std::string_view what) {
    return failure(ErrorCode::kInvalidArgument,
                   "public key: " + std::string(what) + "; give one line as in ~/.ssh/id_ed25519.pub");
  };
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' '))
    line.remove_suffix(1);
  if (line.size() > kLineMax) return wrong("is too long");
  if (std::ranges::any_of(line, [](char c) { return static_cast<unsigned char>(c) < 0x20; })) {
    return wrong("is more than one line of text");
  }
  const std::size_t first = line.find(' ');
  const auto type = line.substr(0, first);
  if (first == std::string_view::npos || std::ranges::find(kTypes, type) == kTypes.end()) {
    return wrong("does not begin with a known type");
  }
  const auto rest = line.substr(first + 1);
  const auto text = rest.substr(0, rest.find(' '));
  const auto blob = decode_base64(text);
  std::string start;
  put_text(start, type);
  if (!blob || !blob->starts_with(start) || blob->size() <= start.size())
    return wrong("is not a key of its type");
  return std::string(type) + " " + std::string(text);
}

}  // namespace millrace::host
