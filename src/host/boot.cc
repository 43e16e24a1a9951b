#include "host/boot.h"

#include "host/file.h"

namespace millrace::host {

Result<std::string> boot_id() {
  std::string id = TRY(read_file("/proc/sys/kernel/random/boot_id", 256));
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace millrace::host
