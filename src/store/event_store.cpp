#include "store/event_store.hpp"

namespace pebbles::store {
namespace {

std::size_t bytes_of(const domain::ItemList& items) {
  std::size_t bytes = 0;
  for (const auto& item : items) bytes += sizeof item + item.message.size();
  return bytes;
}

}  // namespace

std::size_t bytes_of(const Snapshot& snapshot) {
  constexpr std::size_t fixed = 512;  // the struct itself, its control block, an index entry
  const auto& progress = snapshot.progress;
  return fixed + snapshot.stream.client->size() + snapshot.stream.filename->size() + progress.owner->size() +
         bytes_of(progress.errors.first) + bytes_of(progress.warnings.first) + progress.positions.size() * 128;
}

}  // namespace pebbles::store
