#include "ingress/kafka/client.hpp"

#include <array>

namespace pebbles::kafka {

Result<Client> make_client(rd_kafka_type_t type, ClientConf conf) {
  std::array<char, 512> why{};
  Client client{rd_kafka_new(type, conf.get(), why.data(), why.size())};
  if (!client) return failure(Errc::invalid_argument, why.data());
  [[maybe_unused]] const auto* const taken = conf.release();  // the client has taken it
  return client;
}

}  // namespace pebbles::kafka
