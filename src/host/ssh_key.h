// Ed25519 key pairs in OpenSSH's formats, and the check of public keys that people hand in.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace millrace::host {

struct SshKeyPair {
  std::string private_key;  // "-----BEGIN OPENSSH PRIVATE KEY-----..."; secret
  std::string public_key;   // "ssh-ed25519 AAAA... COMMENT", without a line end
};

/// From the system's source of randomness. `comment` is printable and without line breaks.
Result<SshKeyPair> make_ssh_key_pair(std::string_view comment);

/// The key without options and comment: "ssh-ed25519 AAAA...". kInvalidArgument unless `line` is one line that begins
/// with a type of ed25519, ecdsa or rsa (also sk-) and base64 that names the same type: options that would run
/// commands are no key.
Result<std::string> check_ssh_public_key(std::string_view line);

}  // namespace millrace::host
