#pragma once
#include "contract/event_store_contract.hpp"

namespace pebbles::contract {

/// What every ProgressReader promises.
class ProgressReaderContract : public StoreTest {};

}  // namespace pebbles::contract
