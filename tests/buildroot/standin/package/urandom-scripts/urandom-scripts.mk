$(eval $(generic-package))
