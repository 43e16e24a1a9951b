// Any line may come down the feed or lie in the copy on disk: it is refused, or it applies and survives a round trip.
#include <cstdint>
#include <cstdlib>

#include "identity/policy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using millrace::identity::decode_change;
  using millrace::identity::PolicyView;
  const auto change = decode_change({reinterpret_cast<const char*>(data), size});
  if (!change) return 0;
  const auto again = decode_change(encode(*change));
  if (!again || encode(*again) != encode(*change)) std::abort();
  PolicyView view;
  if (!view.apply(*change)) return 0;
  PolicyView copy;
  if (!copy.apply(view.snapshot()) || encode(copy.snapshot()) != encode(view.snapshot())) std::abort();
  return 0;
}
