# Held-out forecasts of metafor's meta-regression and of MetaForest, on the folds given.
# Rscript peers.R IN.csv OUT.csv: designs with yi_, vi_, study_ and fold_.
args <- commandArgs(trailingOnly = TRUE)
d <- read.csv(args[1], stringsAsFactors = FALSE, na.strings = c("", "NA"))
moderators <- setdiff(names(d), c("yi_", "vi_", "study_", "fold_"))
for (m in moderators) {
  if (is.numeric(d[[m]])) d[[m]][is.na(d[[m]])] <- median(d[[m]], na.rm = TRUE)
  else {
    d[[m]][is.na(d[[m]])] <- "not_reported"
    rare <- names(which(tapply(d$study_, d[[m]], function(s) length(unique(s))) < 3))
    d[[m]][d[[m]] %in% rare] <- "rare"
    d[[m]] <- factor(d[[m]])
  }
}
moderators <- Filter(function(m) length(unique(d[[m]])) > 1, moderators)
out <- data.frame(row = seq_len(nrow(d)))

metafor_forecast <- function(train, test) {
  use <- Filter(function(m) length(unique(train[[m]])) > 1, moderators)
  X <- model.matrix(reformulate(use), rbind(train, test))
  here <- seq_len(nrow(train))
  kept <- qr(X[here, ])
  kept <- setdiff(kept$pivot[seq_len(kept$rank)], 1)
  fit <- metafor::rma(train$yi_, train$vi_, mods = X[here, kept], method = "REML",
                      control = list(maxiter = 1000, stepadj = 0.5))
  as.numeric(predict(fit, newmods = X[-here, kept, drop = FALSE])$pred)
}
forest_forecast <- function(train, test) {
  set.seed(1)
  fit <- metaforest::MetaForest(reformulate(moderators, "yi_"), data = train, vi = "vi_",
                                study = "study_", whichweights = "random", num.trees = 1000)
  predict(fit, data = test)$predictions
}
attempt <- function(name, package, forecast) {
  if (!requireNamespace(package, quietly = TRUE)) {
    cat(name, "skipped: R has no package", package, "\n")
    return(invisible())
  }
  held <- rep(NA_real_, nrow(d))
  for (f in unique(d$fold_)) {
    test <- d$fold_ == f
    train <- d[!test & is.finite(d$yi_), ]
    held[test] <- tryCatch(forecast(train, d[test, ]), error = function(e) {
      cat(name, "skipped in fold", f, ":", conditionMessage(e), "\n")
      rep(NA_real_, sum(test))
    })
  }
  out[[name]] <<- held
}
attempt("metafor", "metafor", metafor_forecast)
attempt("MetaForest", "metaforest", forest_forecast)
write.csv(out, args[2], row.names = FALSE)
