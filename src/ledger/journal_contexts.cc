#include "ledger/journal_contexts.h"

#include <cstddef>
#include <numeric>
#include <utility>

#include "ledger/journal_texts.h"
#include "ledger/journal_words.h"

namespace millrace::ledger {
namespace {

/// The bytes that tell a context from others: its figures and its texts, without what is left of the room for them.
std::string_view bytes_of(const ContextData& context) {
  std::size_t text = 0;
  for (const std::uint8_t length : context.text_length) text += length;
  return {reinterpret_cast<const char*>(&context), offsetof(ContextData, text) + text};
}

void write(ContextData& to, const OpenRequest& request) {
  to.intensity_g_per_kwh = request.intensity_g_per_kwh;
  to.price_version = request.price_version;
  to.input_microeur_per_mtok = request.input_microeur_per_mtok;
  to.output_microeur_per_mtok = request.output_microeur_per_mtok;
  write_texts<kContextTextMax.size()>(
      {request.tenant, request.project, request.key_id, request.endpoint, request.model, request.site,
       request.zone, request.energy_model, request.basis},
      kContextTextMax, to.text_length, to.text);
}

}  // namespace

JournalContexts::JournalContexts(std::span<ContextData> contexts, MarkUsed mark_used, Written written)
    : contexts_(contexts),
      mark_used_(std::move(mark_used)),
      written_(std::move(written)),
      free_(contexts.size()) {
  std::iota(free_.rbegin(), free_.rend(), 0U);  // lowest first: few pages are touched
}

std::optional<std::uint32_t> JournalContexts::of(const OpenRequest& request) {
  ContextData wanted;
  write(wanted, request);
  const std::string_view bytes = bytes_of(wanted);
  if (last_ && bytes_of(contexts_[*last_]) == bytes) return last_;
  if (const auto found = known_.find(bytes); found != known_.end()) return last_ = found->second;
  const auto free = take_free();
  if (!free) return std::nullopt;
  store_words(&contexts_[*free], &wanted, bytes.size());
  written_(*free);
  known_.emplace(bytes_of(contexts_[*free]), *free);
  return last_ = free;
}

/// A look at every slot, once all contexts are taken; the more requests share, the rarer.
std::optional<std::uint32_t> JournalContexts::take_free() {
  if (free_.empty()) {
    std::vector<bool> used(contexts_.size(), false);
    mark_used_(used);
    last_.reset();
    std::erase_if(known_, [&](const auto& entry) {
      if (!used[entry.second]) free_.push_back(entry.second);
      return !used[entry.second];
    });
  }
  if (free_.empty()) return std::nullopt;
  const std::uint32_t taken = free_.back();
  free_.pop_back();
  return taken;
}

}  // namespace millrace::ledger
