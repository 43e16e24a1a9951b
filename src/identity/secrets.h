// Secrets: texts that jobs of a project get as files. What is kept can be replaced and deleted, and is never shown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "store/store.h"

namespace millrace::identity {

/// Records "secret/<project>/<name>", whose value is the text itself; the database has mode 0600.
inline constexpr std::string_view kSecretPrefix = "secret/";

struct SecretInfo {
  std::string name;
  std::size_t bytes = 0;
};

/// Every method is safe from any thread, and durable on return. kInvalidArgument for a malformed name.
class Secrets {
 public:
  static constexpr std::size_t kMaxBytes = 64 * 1024;
  static constexpr std::size_t kMaxPerProject = 1000;

  explicit Secrets(store::Store& store) : store_(store) {}

  /// Replaces one of that name. kInvalidArgument for more than kMaxBytes; kExhausted beyond kMaxPerProject. The
  /// project is not looked up.
  Result<SecretInfo> put(std::string_view project, std::string_view name, std::string_view text);
  /// Ordered by name, all of them, without their texts.
  Result<std::vector<SecretInfo>> list(std::string_view project) const;
  Result<void> remove(std::string_view project, std::string_view name);
  /// The text, for what runs; kNotFound names the secret and how to set it.
  Result<std::string> text(std::string_view project, std::string_view name) const;
  Result<bool> exists(std::string_view project, std::string_view name) const;

 private:
  store::Store& store_;
};

/// 1 to 64 of letters, digits, '_', '.' and '-'.
bool is_secret_name(std::string_view name);

}  // namespace millrace::identity
