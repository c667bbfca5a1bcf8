#pragma once
#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/result.hpp"

/// librdkafka's handles, each owned by one pointer.
namespace pebbles::kafka {

template <auto function>
struct Destroy {
  template <class T>
  void operator()(T* handle) const {
    function(handle);
  }
};

using Client = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>>;
using ClientConf = std::unique_ptr<rd_kafka_conf_t, Destroy<rd_kafka_conf_destroy>>;
using MessageHandle = std::unique_ptr<rd_kafka_message_t, Destroy<rd_kafka_message_destroy>>;
using HeadersHandle = std::unique_ptr<rd_kafka_headers_t, Destroy<rd_kafka_headers_destroy>>;
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, Destroy<rd_kafka_topic_partition_list_destroy>>;
using QueueHandle = std::unique_ptr<rd_kafka_queue_t, Destroy<rd_kafka_queue_destroy>>;
using EventHandle = std::unique_ptr<rd_kafka_event_t, Destroy<rd_kafka_event_destroy>>;
using ErrorHandle = std::unique_ptr<rd_kafka_error_t, Destroy<rd_kafka_error_destroy>>;

/// Calls `take(name, value)` with each header of a message, in order; views into it. A null value is an empty one.
template <class Take>
void each_header(const rd_kafka_message_t& message, Take&& take) {
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return;  // it has none
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
    take(std::string_view{name}, std::string_view{static_cast<const char*>(value), value == nullptr ? 0 : size});
}

/// Errors: invalid_argument with what librdkafka says of the combination.
[[nodiscard]] Result<Client> make_client(rd_kafka_type_t type, ClientConf conf);

}  // namespace pebbles::kafka
