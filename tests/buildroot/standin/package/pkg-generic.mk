# The steps of a package, each with its stamp. A package may define the commands of Buildroot's generic packages;
# without them it "installs" what its list `standin.files` names.

# The time, without a program: when the machine started, and how long it has run.
STARTED = $(eval STARTED := $(shell read -r up rest < /proc/uptime; echo $$(($$(date +%s) - $${up%.*}))))$(STARTED)
clock = read -r up rest < /proc/uptime; now=$$(($(STARTED) + $${up%.*})).$${up\#*.}0000000

# A line of build-time.log: $(1) start or end, $(2) step.
step_time = printf '%s:%-5.5s:%-20.20s: %s\n' $$now $(1) $(2) $($(PKG)_NAME) >>$(BUILD_DIR)/build-time.log

# What a test asks for: a failure at a step, told by the name that the log or the stamp gives it; a slow or full build.
words-of = $(subst $(comma), ,$(1))
fails = $(filter $($(PKG)_NAME):$(1) $($(PKG)_NAME):$(3),$(call words-of,$(STANDIN_FAIL)))
full = $(and $(filter built,$(3)),$(filter $($(PKG)_NAME),$(call words-of,$(STANDIN_FULL))))
slow = $(and $(filter built,$(3)),$\
	$(patsubst $($(PKG)_NAME):%,%,$(filter $($(PKG)_NAME):%,$(call words-of,$(STANDIN_SLEEP)))))
trouble = $(if $(slow),sleep $(slow); $(clock);) \
	$(if $(fails),exec support/standin/trouble $(3) $(@D) $(HOSTMAKE);) \
	$(if $(full),exec support/standin/trouble full $(@D) $(HOSTMAKE);)
said = $(foreach message,$(1),$(call MESSAGE,$($(message)));)
run = $(if $(strip $(1)),+$(1)$(sep))
hooks = $(foreach hook,$(1),$(call $(hook))$(sep))

# $(1) step in the log, $(2) message, $(3) stamp, $(4) shell text to begin with, $(5) commands and hooks, a line each.
# Without commands it is one shell: there are hundreds of steps.
define step
$(if $(strip $(5)),$(step-in-parts),@$(step-begins) $(clock); $(call step_time,end,$(1)); : > $@)
endef
define step-in-parts
@$(step-begins)
$(5)
@$(clock); $(call step_time,end,$(1)); : > $@
endef
step-begins = set -e; $(clock); $(call step_time,start,$(1)); \
	$(if $(2),$(call MESSAGE,$(2));) $(trouble) $(4)

# Everything below the target, host and images folders; what is new after a package is installed is its.
define files-before
	find $(TARGET_DIR) $(HOST_DIR) $(BINARIES_DIR) \( -type f -o -type l \) -printf '%T@:%i:%m:%y:%s %H %P\n' \
		> $(@D)/.files-list.before
endef
define files-after
	find $(TARGET_DIR) $(HOST_DIR) $(BINARIES_DIR) \( -type f -o -type l \) -printf '%T@:%i:%m:%y:%s %H %P\n' \
		| awk -v package=$($(PKG)_NAME) -v to=$(@D)/.files-list -v target=$(TARGET_DIR) -v images=$(BINARIES_DIR) \
			-v staging=$(STAGING_SUBDIR)/ -f support/standin/files.awk $(@D)/.files-list.before -
endef

# With per-package directories, each package begins with what it depends on.
ifeq ($(BR2_PER_PACKAGE_DIRECTORIES),y)
define prepare-per-package-directory
	for package in $(1); do cp -al $(PER_PACKAGE_DIR)/$$package/host/. $(HOST_DIR)/; \
		cp -al $(PER_PACKAGE_DIR)/$$package/target/. $(TARGET_DIR)/; done;
endef
endif

folders = for folder in $(1); do [ -d $$folder ] || mkdir -p $$folder; done;

$(BUILD_DIR)/%/.stamp_downloaded:
	$(call step,download,,downloaded,$(call folders,$(@D)) \
		for p in $(notdir $($(PKG)_ALL_DOWNLOADS)); do \
			[ -e $($(PKG)_DL_DIR)/$$p ] || { $(call MESSAGE,"Downloading"); break; }; \
		done;,$(call hooks,$($(PKG)_PRE_DOWNLOAD_HOOKS))$(foreach p,$($(PKG)_ALL_DOWNLOADS),$(call DOWNLOAD,$(p))$(sep))$\
		$(call hooks,$($(PKG)_POST_DOWNLOAD_HOOKS)))

$(BUILD_DIR)/%/.stamp_extracted:
	$(call step,extract,"Extracting",extracted,$(call folders,$(@D)) \
		$(if $(filter undefined,$(origin $(PKG)_EXTRACT_CMDS)),$(if $($(PKG)_SOURCE),$(EXTRACT))),$\
		$(call hooks,$($(PKG)_PRE_EXTRACT_HOOKS))$($(PKG)_EXTRACT_CMDS)$(sep)$(call hooks,$($(PKG)_POST_EXTRACT_HOOKS)))

$(BUILD_DIR)/%/.stamp_rsynced:
	$(call step,rsync,"Syncing from source dir $(SRCDIR)",rsynced,$(call folders,$(@D)) \
		[ -d $(SRCDIR) ] || { echo "ERROR: $(SRCDIR) does not exist"; exit 1; }; cp -a $(call qstrip,$(SRCDIR))/. $(@D);,$\
		$(call hooks,$($(PKG)_PRE_RSYNC_HOOKS) $($(PKG)_POST_RSYNC_HOOKS)))

$(BUILD_DIR)/%/.stamp_patched:
	$(call step,patch,"Patching",patched,for p in $(call pkg-patches-list,$(PKG)); do \
			printf '\nApplying %s using patch: \n' "$${p##*/}"; echo $$p >> $(@D)/.applied_patches_list; \
		done; $(call said,$($(PKG)_PATCH_SAYS)),$\
		$(call hooks,$($(PKG)_PRE_PATCH_HOOKS) $($(PKG)_POST_PATCH_HOOKS)))

$(BUILD_DIR)/%/.stamp_configured:
	$(call step,configure,"Configuring",configured,\
		$(call folders,$(HOST_DIR) $(TARGET_DIR) $(STAGING_DIR) $(BINARIES_DIR)) \
		$(call prepare-per-package-directory,$($(PKG)_FINAL_DEPENDENCIES)) $(files-before); \
		$(call said,$($(PKG)_CONFIGURE_SAYS)),$\
		$(call hooks,$($(PKG)_POST_PREPARE_HOOKS) $($(PKG)_PRE_CONFIGURE_HOOKS))$($(PKG)_CONFIGURE_CMDS)$(sep)$\
		$(call hooks,$($(PKG)_POST_CONFIGURE_HOOKS)))

$(BUILD_DIR)/%/.stamp_built:
	$(call step,build,"Building",built,,$(call hooks,$($(PKG)_PRE_BUILD_HOOKS))$(call run,$($(PKG)_BUILD_CMDS))$\
		$(call hooks,$($(PKG)_POST_BUILD_HOOKS)))

$(BUILD_DIR)/%/.stamp_host_installed:
	$(call step,install-host,"Installing to host directory",host_installed,,$\
		$(call hooks,$($(PKG)_PRE_INSTALL_HOOKS))$(call run,$($(PKG)_INSTALL_CMDS))$\
		$(call hooks,$($(PKG)_POST_INSTALL_HOOKS)))

$(BUILD_DIR)/%/.stamp_staging_installed:
	$(call step,install-staging,"Installing to staging directory",staging_installed,,$\
		$(call hooks,$($(PKG)_PRE_INSTALL_STAGING_HOOKS))$(call run,$($(PKG)_INSTALL_STAGING_CMDS))$\
		$(call hooks,$($(PKG)_POST_INSTALL_STAGING_HOOKS))@$(call MESSAGE,"Fixing libtool files"))

$(BUILD_DIR)/%/.stamp_images_installed:
	$(call step,install-image,"Installing to images directory",images_installed,,$\
		$(call hooks,$($(PKG)_PRE_INSTALL_IMAGES_HOOKS))$(call run,$($(PKG)_INSTALL_IMAGES_CMDS))$\
		$(call hooks,$($(PKG)_POST_INSTALL_IMAGES_HOOKS)))

$(BUILD_DIR)/%/.stamp_target_installed:
	$(call step,install-target,"Installing to target",target_installed,,$\
		$(call hooks,$($(PKG)_PRE_INSTALL_TARGET_HOOKS))$(call run,$($(PKG)_INSTALL_TARGET_CMDS))$\
		$(if $(BR2_INIT_SYSV)$(BR2_INIT_BUSYBOX),$($(PKG)_INSTALL_INIT_SYSV)$(sep))$\
		$(call hooks,$($(PKG)_POST_INSTALL_TARGET_HOOKS)))

$(BUILD_DIR)/%/.stamp_installed:
	@set -e; $(files-after); : > $@

$(BUILD_DIR)/%/.stamp_dircleaned:
	$(if $(BR2_PER_PACKAGE_DIRECTORIES),rm -Rf $(PER_PACKAGE_DIR)/$(NAME))
	rm -Rf $(@D)

# What a package does that says nothing of its own.
# An archive of the stand-in's own has nothing in it.
EXTRACT = read -r first rest < $($(PKG)_DL_DIR)/$($(PKG)_SOURCE) || true; [ "$$first" = stand-in ] || \
	tar --strip-components=$($(PKG)_STRIP_COMPONENTS) -C $(@D) -xf $($(PKG)_DL_DIR)/$($(PKG)_SOURCE);
STANDIN_LIST = $(wildcard $($(PKG)_PKGDIR)/standin.files)
STANDIN_INSTALL = @STATIC=$(BR2_SHARED_STATIC_LIBS)$(BR2_STATIC_LIBS) \
	support/standin/install $($(PKG)_RAWNAME) '$($(PKG)_VERSION)' $($(PKG)_PKGDIR)
STANDIN_INSTALL_STAGING = $(if $(STANDIN_LIST),$(STANDIN_INSTALL) staging $(STAGING_DIR))
STANDIN_INSTALL_TARGET = $(if $(STANDIN_LIST),$(STANDIN_INSTALL) target $(TARGET_DIR))
STANDIN_INSTALL_HOST = $(if $($(PKG)_SOURCE),@mkdir -p $(HOST_DIR)/bin && \
	cp support/standin/program $(HOST_DIR)/bin/$($(PKG)_RAWNAME))

define virt-provides-single
ifneq ($$(call qstrip,$$(BR2_PACKAGE_PROVIDES_$(2))),$(3))
$$(error Configuration error: both "$(3)" and $$(BR2_PACKAGE_PROVIDES_$(2))\
are selected as providers for virtual package "$(1)". Only one provider can\
be selected at a time. Please fix your configuration)
endif
endef

# $(1) name, $(2) NAME, $(3) NAME without HOST_, $(4) target or host
define inner-generic-package

ifneq ($(filter $(1),$(PACKAGES_ALL)),)
$$(error Package '$(1)' defined a second time in '$(pkgdir)'; previous definition was in '$$($(2)_PKGDIR)')
endif
PACKAGES_ALL += $(1)

$(2)_TYPE = $(4)
$(2)_NAME = $(1)
$(2)_RAWNAME = $$(patsubst host-%,%,$(1))
$(2)_PKGDIR = $(pkgdir)

ifndef $(2)_VERSION
$(2)_DL_VERSION := $$(or $$($(3)_DL_VERSION),$$($(3)_VERSION))
else
$(2)_DL_VERSION := $$(strip $$($(2)_VERSION))
endif
$(2)_VERSION := $$(call sanitize,$$($(2)_DL_VERSION))
$(2)_HASH_FILES = $$(strip $$(foreach d,$$(call pkg-patch-hash-dirs,$(2)),$$(d)/$$($(2)_RAWNAME).hash))

# What the host variant does not say is as the target variant has it.
$$(foreach v,OVERRIDE_SRCDIR SOURCE SITE SITE_METHOD LICENSE LICENSE_FILES REDISTRIBUTE DL_SUBDIR EXTRACT_CMDS \
	STRIP_COMPONENTS CPE_ID_VENDOR CPE_ID_PRODUCT CPE_ID_VERSION CPE_ID_PREFIX CPE_ID_VALID IGNORE_CVES,\
	$$(if $$(filter undefined,$$(origin $(2)_$$(v))),\
		$$(if $$(filter-out undefined,$$(origin $(3)_$$(v))),$$(eval $(2)_$$(v) = $$$$($(3)_$$(v))))))

ifneq ($$($(2)_OVERRIDE_SRCDIR),)
$(2)_VERSION = custom
endif
$(2)_BASENAME = $$(if $$($(2)_VERSION),$(1)-$$($(2)_VERSION),$(1))
$(2)_BASENAME_RAW = $$(if $$($(2)_VERSION),$$($(2)_RAWNAME)-$$($(2)_VERSION),$$($(2)_RAWNAME))
$(2)_DL_SUBDIR ?= $$($(2)_RAWNAME)
$(2)_DL_DIR = $$(DL_DIR)/$$($(2)_DL_SUBDIR)
$(2)_DIR = $$(BUILD_DIR)/$$($(2)_BASENAME)
$(2)_SRCDIR = $$($(2)_DIR)/$$($(2)_SUBDIR)
$(2)_BUILDDIR ?= $$($(2)_SRCDIR)
$(2)_STRIP_COMPONENTS ?= 1

ifneq ($$($(2)_VERSION),)
$(2)_SOURCE ?= $$($(2)_BASENAME_RAW).tar.gz
endif
$(2)_SITE_METHOD ?= $$(call geturischeme,$$($(2)_SITE))
ifeq ($$($(2)_SITE_METHOD),local)
$(2)_OVERRIDE_SRCDIR ?= $$($(2)_SITE)
endif
$(2)_MAIN_DOWNLOAD = $$(if $$($(2)_SOURCE),$$($(2)_SITE_METHOD)+$$($(2)_SITE)/$$($(2)_SOURCE))
$(2)_ADDITIONAL_DOWNLOADS = $$(foreach p,$$($(2)_PATCH) $$($(2)_EXTRA_DOWNLOADS),\
	$$(if $$(findstring ://,$$(p)),$$(p),$$($(2)_SITE_METHOD)+$$($(2)_SITE)/$$(p)))
$(2)_ALL_DOWNLOADS = $$(strip $$($(2)_MAIN_DOWNLOAD) $$($(2)_ADDITIONAL_DOWNLOADS))

$(2)_LICENSE ?= unknown
$(2)_REDISTRIBUTE ?= YES
ifneq ($$($(2)_CPE_ID_VENDOR)$$($(2)_CPE_ID_PRODUCT)$$($(2)_CPE_ID_VERSION)$$($(2)_CPE_ID_PREFIX),)
$(2)_CPE_ID_VALID = YES
endif
$(2)_CPE_ID = $$(or $$($(2)_CPE_ID_PREFIX),cpe:2.3:a):$$(or $$($(2)_CPE_ID_VENDOR),$$($(2)_RAWNAME)_project):$$(or \
	$$($(2)_CPE_ID_PRODUCT),$$($(2)_RAWNAME)):$$(or $$($(2)_CPE_ID_VERSION),$$($(2)_VERSION)):-:*:*:*:*:*:*

ifeq ($(4),target)
$(2)_DEPENDENCIES += $$(if $$(filter NO,$$($(2)_ADD_SKELETON_DEPENDENCY)),,skeleton)
$(2)_DEPENDENCIES += $$(if $$(filter NO,$$($(2)_ADD_TOOLCHAIN_DEPENDENCY)),,toolchain)
endif
ifeq ($$(BR2_CCACHE),y)
$(2)_DEPENDENCIES += $$(if $$(filter NO,$$($(2)_ADD_CCACHE_DEPENDENCY)),,host-ccache)
endif
ifneq ($(1),host-skeleton)
$(2)_DEPENDENCIES += host-skeleton
endif
ifeq ($$(filter host-tar host-skeleton host-fakedate,$(1)),)
$(2)_EXTRACT_DEPENDENCIES += $$(BR2_TAR_HOST_DEPENDENCY)
endif
ifeq ($$(BR2_REPRODUCIBLE),y)
ifeq ($$(filter host-skeleton host-fakedate,$(1)),)
$(2)_DEPENDENCIES += host-fakedate
endif
endif

$(2)_FINAL_DEPENDENCIES = $$(sort $$($(2)_DEPENDENCIES))
$(2)_FINAL_EXTRACT_DEPENDENCIES = $$(sort $$($(2)_EXTRACT_DEPENDENCIES))
$(2)_FINAL_ALL_DEPENDENCIES = $$(sort $$($(2)_FINAL_DEPENDENCIES) $$($(2)_FINAL_EXTRACT_DEPENDENCIES))
$(2)_FINAL_RECURSIVE_DEPENDENCIES = $$(sort \
	$$(if $$(filter undefined,$$(origin $(2)_RECURSED)),$$(eval $(2)_RECURSED := \
		$$(foreach p,$$($(2)_FINAL_ALL_DEPENDENCIES),\
			$$(p) $$($$(call UPPERCASE,$$(p))_FINAL_RECURSIVE_DEPENDENCIES))))\
	$$($(2)_RECURSED))

$(2)_TARGET_INSTALL = $$($(2)_DIR)/.stamp_installed
$(2)_TARGET_INSTALL_TARGET = $$($(2)_DIR)/.stamp_target_installed
$(2)_TARGET_INSTALL_STAGING = $$($(2)_DIR)/.stamp_staging_installed
$(2)_TARGET_INSTALL_IMAGES = $$($(2)_DIR)/.stamp_images_installed
$(2)_TARGET_INSTALL_HOST = $$($(2)_DIR)/.stamp_host_installed
$(2)_TARGET_BUILD = $$($(2)_DIR)/.stamp_built
$(2)_TARGET_CONFIGURE = $$($(2)_DIR)/.stamp_configured
$(2)_TARGET_RSYNC = $$($(2)_DIR)/.stamp_rsynced
$(2)_TARGET_PATCH = $$($(2)_DIR)/.stamp_patched
$(2)_TARGET_EXTRACT = $$($(2)_DIR)/.stamp_extracted
$(2)_TARGET_SOURCE = $$($(2)_DIR)/.stamp_downloaded
$(2)_TARGET_DIRCLEAN = $$($(2)_DIR)/.stamp_dircleaned

$(2)_INSTALL_STAGING_CMDS ?= $$(STANDIN_INSTALL_STAGING)
$(2)_INSTALL_TARGET_CMDS ?= $$(STANDIN_INSTALL_TARGET)
$(2)_INSTALL_CMDS ?= $$(STANDIN_INSTALL_HOST)

$(1): $(1)-install
$(1)-install: $$($(2)_TARGET_INSTALL)
$$($(2)_TARGET_INSTALL): $$($(2)_TARGET_BUILD)

ifeq ($(4),host)
$$($(2)_TARGET_INSTALL): $$($(2)_TARGET_INSTALL_HOST)
else
$(2)_INSTALL_STAGING ?= NO
$(2)_INSTALL_IMAGES ?= NO
$(2)_INSTALL_TARGET ?= YES
ifeq ($$(strip $$($(2)_INSTALL_TARGET)),YES)
$$($(2)_TARGET_INSTALL): $$($(2)_TARGET_INSTALL_TARGET)
endif
ifeq ($$(strip $$($(2)_INSTALL_STAGING)),YES)
$$($(2)_TARGET_INSTALL): $$($(2)_TARGET_INSTALL_STAGING)
$$($(2)_TARGET_INSTALL_TARGET): $$($(2)_TARGET_INSTALL_STAGING)
endif
ifeq ($$(strip $$($(2)_INSTALL_IMAGES)),YES)
$$($(2)_TARGET_INSTALL): $$($(2)_TARGET_INSTALL_IMAGES)
endif
endif

$$($(2)_TARGET_INSTALL_TARGET) $$($(2)_TARGET_INSTALL_STAGING) $$($(2)_TARGET_INSTALL_IMAGES) \
	$$($(2)_TARGET_INSTALL_HOST): $$($(2)_TARGET_BUILD)
$$($(2)_TARGET_BUILD): $$($(2)_TARGET_CONFIGURE)
$$($(2)_TARGET_CONFIGURE): | $$($(2)_FINAL_DEPENDENCIES)
$$($(2)_TARGET_SOURCE) $$($(2)_TARGET_RSYNC): | prepare dependencies

ifeq ($$($(2)_OVERRIDE_SRCDIR),)
$$($(2)_TARGET_CONFIGURE): $$($(2)_TARGET_PATCH)
$$($(2)_TARGET_PATCH): $$($(2)_TARGET_EXTRACT)
$$($(2)_TARGET_EXTRACT): $$($(2)_TARGET_SOURCE)
$$($(2)_TARGET_EXTRACT): | $$($(2)_FINAL_EXTRACT_DEPENDENCIES)
$(1)-source: $$($(2)_TARGET_SOURCE)
$(1)-external-deps:
	@for p in $$($(2)_SOURCE) $$($(2)_PATCH) $$($(2)_EXTRA_DOWNLOADS) ; do echo $$$${p##*/} ; done
else
$$($(2)_TARGET_CONFIGURE): | $$($(2)_TARGET_RSYNC)
$(1)-source:
$(1)-external-deps:
	@echo "file://$$($(2)_OVERRIDE_SRCDIR)"
endif

$(1)-extract: $$($(2)_TARGET_EXTRACT)
$(1)-configure: $$($(2)_TARGET_CONFIGURE)
$(1)-build: $$($(2)_TARGET_BUILD)
$(1)-depends: $$($(2)_FINAL_ALL_DEPENDENCIES)
$(1)-all-source: $(1)-source $$(foreach p,$$($(2)_FINAL_ALL_DEPENDENCIES),$$(p)-all-source)
$(1)-all-external-deps: $(1)-external-deps $$(foreach p,$$($(2)_FINAL_ALL_DEPENDENCIES),$$(p)-all-external-deps)
$(1)-show-version:
	@echo $$($(2)_VERSION)
$(1)-show-depends:
	@echo $$($(2)_FINAL_ALL_DEPENDENCIES)
$(1)-show-build-order: $$(patsubst %,%-show-build-order,$$($(2)_FINAL_ALL_DEPENDENCIES))
	@:
	$$(info $(1))
$(1)-show-info:
	@:
	$$(info { $$(call json-info,$(2)) })

$(1)-dirclean: $$($(2)_TARGET_DIRCLEAN)
$(1)-reinstall $(1)-rebuild $(1)-reconfigure:
	@cd $$($(2)_DIR) 2>/dev/null && rm -f .stamp_*installed \
		$$(if $$(filter %-rebuild %-reconfigure,$$@),.stamp_built) \
		$$(if $$(filter %-reconfigure,$$@),.stamp_configured) || true
	@$$(MAKE1) --no-print-directory $$(EXTRAMAKEARGS) $(1)

$$($(2)_TARGET_INSTALL) $$($(2)_TARGET_INSTALL_TARGET) $$($(2)_TARGET_INSTALL_STAGING) \
	$$($(2)_TARGET_INSTALL_IMAGES) $$($(2)_TARGET_INSTALL_HOST) $$($(2)_TARGET_BUILD) $$($(2)_TARGET_CONFIGURE) \
	$$($(2)_TARGET_RSYNC) $$($(2)_TARGET_PATCH) $$($(2)_TARGET_EXTRACT) $$($(2)_TARGET_SOURCE) \
	$$($(2)_TARGET_DIRCLEAN): PKG=$(2)
$$($(2)_TARGET_RSYNC): SRCDIR=$$($(2)_OVERRIDE_SRCDIR)
$$($(2)_TARGET_CONFIGURE) $$($(2)_TARGET_DIRCLEAN): NAME=$(1)

ifneq ($(filter toolchain/% $(addsuffix /toolchain/%,$(BR2_EXTERNAL_DIRS)),$(pkgdir)),)
$(2)_KCONFIG_VAR = BR2_$(2)
else ifeq ($$($(2)_IS_VIRTUAL),YES)
$(2)_KCONFIG_VAR = BR2_PACKAGE_HAS_$(2)
else
$(2)_KCONFIG_VAR = BR2_PACKAGE_$(2)
endif

ifeq ($$($$($(2)_KCONFIG_VAR)),y)

ifeq ($(BR_BUILDING),y)
$$(foreach pkg,$$($(2)_PROVIDES),$$(eval $$(call virt-provides-single,$$(pkg),$$(call UPPERCASE,$$(pkg)),$(1))))
endif

$$(foreach p,$$($(2)_FINAL_ALL_DEPENDENCIES),$$(eval $$(call UPPERCASE,$$(p))_RDEPENDENCIES += $(1)))

PACKAGES += $(1)

ifneq ($$($(2)_PERMISSIONS),)
PACKAGES_PERMISSIONS_TABLE += $$($(2)_PERMISSIONS)$$(sep)
endif
ifneq ($$($(2)_DEVICES),)
PACKAGES_DEVICES_TABLE += $$($(2)_DEVICES)$$(sep)
endif
ifneq ($$($(2)_USERS),)
PACKAGES_USERS += $$($(2)_USERS)$$(sep)
endif
TARGET_FINALIZE_HOOKS += $$($(2)_TARGET_FINALIZE_HOOKS)
ROOTFS_PRE_CMD_HOOKS += $$($(2)_ROOTFS_PRE_CMD_HOOKS)

ifneq ($$($(2)_SOURCE),)
ifeq ($$($(2)_SITE),)
$$(error $(2)_SITE cannot be empty when $(2)_SOURCE is not)
endif
endif

.PHONY: $(1) $(1)-install $(1)-source $(1)-all-source $(1)-external-deps $(1)-all-external-deps $(1)-rebuild \
	$(1)-reconfigure $(1)-reinstall $(1)-dirclean

endif
endef

# $(1) kind: what a package's makefile calls is its name in four forms.
target-package = $(call inner-$(1)-package,$(pkgname),$(call UPPERCASE,$(pkgname)),$(call UPPERCASE,$(pkgname)),target)
host-package = $(call inner-$(1)-package,host-$(pkgname),$\
	HOST_$(call UPPERCASE,$(pkgname)),$(call UPPERCASE,$(pkgname)),host)

generic-package = $(call target-package,generic)
host-generic-package = $(call host-package,generic)
