#include "contract/deleting_contract.hpp"
#include "contract/event_store_contract.hpp"
#include "contract/finding_contract.hpp"
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
const auto memory_implementations = testing::Values(
    Implementation{"plain", [] { return std::make_unique<MemoryFixture>(support::Faults{}); }},
    Implementation{"snapshots_lag",
                   [] { return std::make_unique<MemoryFixture>(support::Faults{.snapshot_lost = 0.5}); }},
    Implementation{"no_snapshots",
                   [] { return std::make_unique<MemoryFixture>(support::Faults{.snapshot_lost = 2}); }});

INSTANTIATE_TEST_SUITE_P(Memory, EventStoreContract, memory_implementations, name_of);
INSTANTIATE_TEST_SUITE_P(Memory, ProgressReaderContract, memory_implementations, name_of);
INSTANTIATE_TEST_SUITE_P(Memory, DeletingContract, memory_implementations, name_of);
INSTANTIATE_TEST_SUITE_P(Memory, FindingContract, memory_implementations, name_of);

}  // namespace
}  // namespace pebbles::contract
