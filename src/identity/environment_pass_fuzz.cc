// Any text may come as a token or cookie: it is refused unless it is exactly what was sealed.
#include <cstdint>
#include <cstdlib>

#include "identity/environment_pass.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using millrace::identity::KeyDigest;
  using millrace::identity::PassKind;
  using millrace::identity::seal;
  using millrace::identity::unseal;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto pass = unseal(text, PassKind::kCookie, KeyDigest{}, "nb", {});
  if (pass && seal(*pass, PassKind::kCookie, KeyDigest{}, "nb") != text) std::abort();
  return 0;
}
