# SPDX-License-Identifier: GPL-2.0
# The front door; `make help` lists what is behind it. Recipes only call scripts.
CPUS ?= 4
NICS ?= $(CPUS)
VARIANT ?= patched
PREFIX ?= /usr/local
BASE ?= 6.12
# A relative XDG_CACHE_HOME is invalid and ignored, as its specification says.
CACHE := $(or $(filter /%,$(XDG_CACHE_HOME)),$(HOME)/.cache)/flowpar

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  CPUS=N NICS=N KERNEL=debian-6.12 for demo; BASE=6.1 for the older kernel; T=PATTERN for the tests; J=2 runs two at a time, V=1 shows their output"

demo: ## build the kernel, boot the lab, run and draw the comparison (CPUS=4)
	@bench/deps.sh kernel $(BASE) ctl lab bench
	@bench/run-ab.sh --out out/demo --base $(BASE) $(if $(KERNEL),--kernel $(KERNEL)) --cpus $(CPUS) --nics $(NICS) $(if $(filter 1,$(NICS)),,--cut)

test: ## the test suite; T=PATTERN runs a part of it
	@bench/deps.sh
	@tests/run --suite unit --suite test $(T)

test-debug: ## the suite on the debug kernel: KASAN, lockdep, kmemleak
	@bench/deps.sh
	@LAB_KERNEL=debug-$(BASE) tests/run --suite test --suite debug $(T)

test-long: ## what does not fit into `make test`
	@bench/deps.sh
	@tests/run --suite long $(T)

test-list: ## every test with its suite and the rule it checks
	@tests/run --list $(T)

kernel: ## the lab's kernel into the cache (VARIANT=patched, stock or debug; BASE=6.12 or 6.1)
	@bench/deps.sh kernel $(BASE)
	@kernel-patches/build.sh $(VARIANT)-$(BASE)

kernel-deb: ## Debian packages of the patched kernel (CONFIG=/boot/config-...)
	@bench/deps.sh kernel $(BASE) deb
	@kernel-patches/build-deb.sh --base $(BASE) $(CONFIG)

deb: ## Debian packages flowpar, flowpar-dkms and flowpar-bench, into out/deb
	@bench/deps.sh ctl package
	@debian/build-deb.sh

install: ctl ## flowpar without packages (PREFIX=/usr/local, DESTDIR=)
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" ./install.sh tools

upstream-series: ## the patches as they would be sent for review, into out/upstream-series
	@bench/deps.sh kernel 6.12 test
	@kernel-patches/upstream-series.sh

iproute2: ## an ip that knows cpu-bound, into the cache
	@bench/deps.sh iproute2
	@kernel-patches/build-iproute2.sh

ctl: ## flowparctl into out/bin
	@bench/deps.sh ctl
	@$(MAKE) -s -C ctl

modules: ## nf_flowpar.ko for the running kernel, into netfilter/
	$(MAKE) -C /lib/modules/$(shell uname -r)/build M=$(CURDIR)

bench: ## the evaluation on modelled cores: all set-ups (an hour; QUICK=1 10 minutes, FULL=1 hours)
	@bench/deps.sh kernel 6.12 ctl lab bench
	@QUICK=$(QUICK) FULL=$(FULL) KEEP=$(KEEP) bench/evaluate.sh

bench-ab: ## the two-guest benchmark at all file sizes
	@bench/deps.sh kernel $(BASE) ctl lab bench
	@bench/run-ab.sh --out out/ab --base $(BASE) --cpus $(CPUS) --nics $(NICS) --sizes all --requests 100

lab-shell: ## a shell in the server guest with everything up
	@bench/deps.sh kernel $(BASE) ctl lab bench
	@bench/lab/lab shell --kernel patched-$(BASE) --cpus $(CPUS) --nics $(NICS)

check: ## shellcheck, checkpatch, sparse and W=1 only
	@$(MAKE) -s test T=kernel/s

clean: ## remove out/
	rm -rf out

clean-cache: ## remove the built kernels
	rm -rf "$(CACHE)"

.PHONY: help demo test test-debug test-long test-list kernel kernel-deb deb install upstream-series iproute2 ctl modules bench bench-ab lab-shell check clean clean-cache
.DEFAULT_GOAL := help
