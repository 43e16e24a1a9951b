// Any bytes as each record that a supervisor or an executor reads; what is accepted must survive writing and reading.
#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "executor/protocol.h"
#include "executor/spec.h"

namespace millrace::executor {
namespace {

void try_all(std::string_view text) {
  if (const auto spec = parse_spec(text)) {
    const auto again = parse_spec(to_json(*spec));
    if (!again || *again != *spec) std::abort();
    (void)check_spec(spec->workload);
  }
  if (const auto exit = parse_exit(text)) {
    const auto again = parse_exit(to_json(*exit));
    if (!again || *again != *exit) std::abort();
  }
  if (const auto status = parse_status(text)) {
    const auto again = parse_status_answer(status_answer(*status));
    if (!again || to_json(*again) != to_json(*status)) std::abort();
  }
  (void)parse_status_answer(text);
  if (const auto request = parse_request(text)) {
    if (!parse_request(to_json(*request))) std::abort();
  }
  (void)parse_forward_target(text);
  std::vector<SecretFile> secrets(3);
  if (decode_secrets(text, secrets) && encode_secrets(secrets) != text) std::abort();
}

}  // namespace
}  // namespace millrace::executor

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  millrace::executor::try_all({reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 1 << 16)});
  return 0;
}
