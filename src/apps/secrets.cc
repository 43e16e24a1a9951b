#include "apps/secrets.h"

#include "host/file.h"
#include "host/system_rng.h"
#include "identity/key.h"

namespace millrace::apps {

Result<void> make_secrets(const Installation& installation) {
  host::SystemRng rng;
  TRY_VOID(identity::load_or_create_pepper(installation.secret("pepper"), rng));
  for (const char* name : {"bootstrap.key", "developer.key"}) {
    if (host::exists(installation.secret(name))) continue;
    TRY_VOID(host::write_file_atomic(installation.secret(name), identity::make_key_text(rng) + "\n", 0600));
  }
  return {};
}

Result<std::string> read_key(const Installation& installation, const std::string& name) {
  auto text = TRY(host::read_file(installation.secret(name), 4096));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace millrace::apps
