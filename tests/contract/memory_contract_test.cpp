#include "contract/deleting_contract.hpp"
#include "contract/event_store_contract.hpp"
#include "contract/progress_reader_contract.hpp"
#include "support/memory_store.hpp"

namespace pebbles::contract {
namespace {

class MemoryFixture final : public StoreFixture {
 public:
  explicit MemoryFixture(support::Faults faults) : faults_{faults} { reopen(); }
  store::EventStore& store() override { return *store_; }
  store::ProgressReader& reader() override { return reader_; }
  void reopen() override {
    store_ = std::make_unique<support::MemoryStore>(log_);
    store_->faults = faults_;
  }

 private:
  support::Faults faults_;
  support::MemoryLog log_;
  std::unique_ptr<support::MemoryStore> store_;
  support::MemoryReader reader_{log_};
};

/// Also with snapshots that stay behind, as they do when writers die between chunk and snapshot.
const auto implementations = testing::Values(
    Implementation{"plain", [] { return std::make_unique<MemoryFixture>(support::Faults{}); }},
    Implementation{"snapshots_lag",
                   [] { return std::make_unique<MemoryFixture>(support::Faults{.snapshot_lost = 0.5}); }},
    Implementation{"no_snapshots",
                   [] { return std::make_unique<MemoryFixture>(support::Faults{.snapshot_lost = 2}); }});

INSTANTIATE_TEST_SUITE_P(Memory, EventStoreContract, implementations, name_of);
INSTANTIATE_TEST_SUITE_P(Memory, ProgressReaderContract, implementations, name_of);
INSTANTIATE_TEST_SUITE_P(Memory, DeletingContract, implementations, name_of);

}  // namespace
}  // namespace pebbles::contract
