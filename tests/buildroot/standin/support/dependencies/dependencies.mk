# What the machine must have.

TAR ?= tar
STANDIN_TAR_VERSION ?= $(lastword $(shell tar --version 2>/dev/null | head -n 1))
tar-version := $(subst ., ,$(STANDIN_TAR_VERSION))

# A tar older than 1.35, or another than GNU's, is built.
ifneq ($(shell [ $(or $(word 1,$(tar-version)),0) -gt 1 ] || { [ $(or $(word 1,$(tar-version)),0) -eq 1 ] && \
	[ $(or $(word 2,$(tar-version)),0) -ge 35 ]; } 2>/dev/null && echo y),y)
BR2_TAR_HOST_DEPENDENCY = host-tar
endif

dependencies:
	@MAKE="$(MAKE)" DL_TOOLS="$(sort $(DL_TOOLS_DEPENDENCIES))" \
		$(TOPDIR)/support/dependencies/dependencies.sh

.PHONY: dependencies
