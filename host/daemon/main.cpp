// SPDX-License-Identifier: Apache-2.0
// vpowercapd: measures energy, attributes it to VMs, writes the ledger.
#include "host/daemon/instance.hpp"

int main(int argc, char** argv) {
  return vpowercap::run_program("vpowercapd", vpowercap::run_daemon, argc, argv);
}
