#pragma once
#include "contract/store_fixture.hpp"

namespace pebbles::contract {

/// What every EventStore promises. An implementation joins with one line:
/// `INSTANTIATE_TEST_SUITE_P(Memory, EventStoreContract, testing::Values(…), name_of);`
class EventStoreContract : public StoreTest {};

inline std::string name_of(const testing::TestParamInfo<Implementation>& implementation) {
  return implementation.param.name;
}

}  // namespace pebbles::contract
